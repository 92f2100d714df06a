/** What every backend of the store does, as cases over `open`. Files, modes and links of the folder have tests of their own. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { expect } from "vitest";
import { systemClock, type Clock } from "../../src/clock.ts";
import type { Selection } from "../../src/state/selection.ts";
import type { Answer, Store } from "../../src/state/store.ts";
import { testClock } from "../support/clock.ts";
import { newVersion, requestOf, unfinishedOrder } from "./material.ts";
import { never } from "./state.ts";

/** A new state; each call of the result opens it once more, as another process would. */
export type OpenState = (clock: Clock) => Promise<() => Store>;

export interface StoreCase {
  readonly name: string;
  readonly run: (open: OpenState) => Promise<void>;
}

const directory = "https://acme.example.org/directory";
const atOnce = { wait: 0, signal: never };
const lockName = "certificate:shop";
const isLocked = { exitCode: 8 };

async function createAccount(store: Store, id = "thumb_print-1", at = directory) {
  const { privateKey: key } = await newVersion("01");
  return store.accounts.create({ id, directory: at, key, contact: ["mailto:ops@example.com"] });
}

async function commit(store: Store, serial: string, name = "shop") {
  const lock = await store.lock(`certificate:${name}`, atOnce);
  try {
    return await store.certificates.commit(name, await newVersion(serial), lock);
  } finally {
    await lock.release();
  }
}

const sorted = (answers: readonly Answer[]) =>
  answers.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)));

/** Cases that need no clock of their own. */
function plain(name: string, run: (store: Store, again: () => Store) => Promise<void>): StoreCase {
  return {
    name,
    async run(open) {
      const again = await open(systemClock);
      await run(again(), again);
    },
  };
}

const accountCases: readonly StoreCase[] = [
  plain(
    "an account is stored with its key, and keeps what is learned later",
    async (store, again) => {
      const created = await createAccount(store);
      expect(created.url).toBeUndefined();
      const url = "https://acme.example.org/acct/1";
      const updated = await store.accounts.update(created, { url, status: "valid" });
      expect(updated).toEqual({ ...created, url, status: "valid" });
      expect(await again().accounts.list()).toEqual([updated]);
    },
  ),
  plain("concurrent changes of an account are all kept", async (store, again) => {
    const created = await createAccount(store);
    const url = "https://acme.example.org/acct/1";
    await Promise.all([
      store.accounts.update(created, { url }),
      again().accounts.update(created, { contact: [] }),
      store.accounts.update(created, { status: "valid" }),
    ]);
    expect(await store.accounts.list()).toEqual([
      { ...created, url, contact: [], status: "valid" },
    ]);
  }),
  plain("accounts of similar directory URLs stay apart", async (store) => {
    const directories = [
      directory,
      `${directory}/`,
      `${directory}?ca=1`,
      "https://acme.example.org/Directory",
      "https://acme.example.org_directory",
      "https://acme.example.org/a/b",
      "https://acme.example.org/a_b",
      "https://127.0.0.1:14000/dir",
      "https://127.0.0.1/14000/dir",
      "https://acme.example.org/../../../etc",
      "local",
    ];
    for (const [index, each] of directories.entries())
      await createAccount(store, `id${index}`, each);
    for (const [index, each] of directories.entries()) {
      const ids = (await store.accounts.ofDirectory(each)).map(({ id }) => id);
      expect(ids, each).toEqual([`id${index}`]);
    }
    expect(await store.accounts.list()).toHaveLength(directories.length);
  }),
  plain("the usable account of a directory comes first", async (store) => {
    const gone = await createAccount(store, "a");
    const url = "https://acme.example.org/acct/1";
    await store.accounts.update(gone, { url, status: "deactivated" });
    await createAccount(store, "b");
    const usable = await createAccount(store, "c");
    await store.accounts.update(usable, { url, status: "valid" });
    const found = await store.accounts.ofDirectory(directory);
    expect(found.map(({ id }) => id)).toEqual(["c", "b", "a"]);
  }),
  plain("the account that was chosen last comes before other usable ones", async (store) => {
    for (const id of ["a", "b", "c"]) {
      const url = `https://acme.example.org/acct/${id}`;
      await store.accounts.update(await createAccount(store, id), { url });
    }
    const ids = async () => (await store.accounts.ofDirectory(directory)).map(({ id }) => id);
    const choose = async (id: string, chosenAt: string) => {
      const found = (await store.accounts.ofDirectory(directory)).find((one) => one.id === id);
      if (found !== undefined) await store.accounts.update(found, { chosenAt });
    };
    await choose("c", "2026-01-02T00:00:00.000Z");
    expect((await ids())[0]).toBe("c");
    await choose("b", "2026-01-03T00:00:00.000Z");
    expect((await ids()).slice(0, 2)).toEqual(["b", "c"]);
  }),
  plain("creating an account that exists changes nothing", async (store) => {
    const created = await createAccount(store);
    expect(await createAccount(store)).toEqual(created);
  }),
  plain("a key rollover has two phases, and neither loses a key", async (store) => {
    const { keyThumbprints: _, ...created } = await createAccount(store);
    const [{ privateKey: second }, { privateKey: third }] = [
      await newVersion("02"),
      await newVersion("03"),
    ];
    const begun = await store.accounts.beginRollover(created, second);
    expect(begun).toMatchObject({ ...created, nextKey: second });
    expect(await store.accounts.beginRollover(created, second)).toEqual(begun);
    await expect(store.accounts.beginRollover(created, third)).rejects.toMatchObject({
      exitCode: 3,
    });
    expect(await store.accounts.list()).toEqual([begun]);
    const finished = await store.accounts.finishRollover(begun);
    expect(finished).toMatchObject({ ...created, key: second });
    expect(finished.nextKey).toBeUndefined();
    expect(await store.accounts.finishRollover(begun)).toEqual(finished);
    const again = await store.accounts.beginRollover(finished, third);
    expect(await store.accounts.abandonRollover(again)).toEqual(finished);
  }),
];

const certificateCases: readonly StoreCase[] = [
  plain("an empty store has nothing", async (store) => {
    expect(await store.certificates.names()).toEqual([]);
    expect(await store.certificates.read("shop")).toBeUndefined();
    expect(await store.certificates.files("shop")).toBeUndefined();
    expect(await store.certificates.readPrivateKey("shop")).toBeUndefined();
    expect(await store.certificates.readCertificate("shop")).toBeUndefined();
    expect(await store.accounts.list()).toEqual([]);
    expect(await store.journal.names()).toEqual([]);
    expect(await store.pendingHooks.list()).toEqual({});
    expect(await store.solverState("cf").get("x")).toBeUndefined();
    expect(store.where).not.toBe("");
  }),
  plain("a next key is kept by its type, and goes with the certificate", async (store, again) => {
    const { privateKey } = await newVersion("01");
    const { certificates } = store;
    await certificates.saveRequest(requestOf("shop"));
    expect(await certificates.readNextKey("shop", "ec256")).toBeUndefined();
    await certificates.saveNextKey("shop", "ec256", privateKey);
    expect(await again().certificates.readNextKey("shop", "ec256")).toBe(privateKey);
    expect(await certificates.readNextKey("shop", "rsa2048")).toBeUndefined();
    await certificates.saveNextKey("shop", "ec256", undefined);
    await certificates.saveNextKey("shop", "ec256", undefined);
    expect(await certificates.readNextKey("shop", "ec256")).toBeUndefined();
    await certificates.saveNextKey("shop", "ec256", privateKey);
    await certificates.remove("shop");
    expect(await certificates.readNextKey("shop", "ec256")).toBeUndefined();
  }),
  plain(
    "a committed version can be read by the next run, and its files by servers",
    async (store, again) => {
      await store.certificates.saveRequest(requestOf("shop"));
      const version = await newVersion("01");
      const lock = await store.lock(lockName, atOnce);
      const held = await store.certificates.commit("shop", version, lock);
      await lock.release();
      const next = again().certificates;
      const status = { failures: 0 };
      const stored = { name: "shop", request: requestOf("shop"), status, held };
      expect(await next.read("shop")).toEqual(stored);
      expect((await next.readPrivateKey("shop"))?.trim()).toBe(version.privateKey.trim());
      const files = await next.files("shop");
      const [privateKey, fullchain] = await Promise.all(
        [files?.privateKey, files?.fullchain].map((path) => readFile(path ?? "", "utf8")),
      );
      expect(fullchain?.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
      const leaf = new X509Certificate(fullchain ?? "");
      expect(leaf.checkPrivateKey(createPrivateKey(privateKey ?? ""))).toBe(true);
    },
  ),
  plain("the files follow the newest version", async (store) => {
    await store.certificates.saveRequest(requestOf("shop"));
    for (const serial of ["01", "02"]) {
      await commit(store, serial);
      const files = await store.certificates.files("shop");
      const pem = await readFile(files?.certificate ?? "", "utf8");
      expect(new X509Certificate(pem).serialNumber).toBe(serial);
    }
  }),
  plain("a certificate of the user's own CSR has no private key", async (store) => {
    await store.certificates.saveRequest({ ...requestOf("shop"), csr: "MIIB" });
    const { certificate, chain, meta } = await newVersion("01");
    const lock = await store.lock(lockName, atOnce);
    const version = { certificate, chain, meta: { ...meta, keyType: "csr" as const } };
    await store.certificates.commit("shop", version, lock);
    expect((await store.certificates.read("shop"))?.held?.version).toBe(1);
    expect((await store.certificates.files("shop"))?.privateKey).toBeUndefined();
    expect(await store.certificates.readPrivateKey("shop")).toBeUndefined();
    await lock.release();
  }),
  plain("what is due is found, and a certificate is claimed by one run", async (store, again) => {
    for (const name of ["a", "b"])
      await store.certificates.saveRequest({ ...requestOf(name), fromConfig: true });
    const now = new Date();
    const soon = new Date(now.getTime() + 60_000);
    const before = { due: soon, look: now };
    const found = await Array.fromAsync(store.certificates.due(before));
    expect(found.map(({ name }) => name).toSorted()).toEqual(["a", "b"]);
    expect(await store.certificates.count()).toBe(2);
    const names = ["a", "b"];
    const first = await store.claim(names, soon);
    expect(first?.name).toBe("a");
    const lock = await store.lock("certificate:a", atOnce);
    await lock.assertHeld();
    const other = again();
    expect((await other.claim(names, soon))?.name).toBe("b");
    await expect(other.lock("certificate:a", atOnce)).rejects.toMatchObject(isLocked);
    expect(await other.claim(["a"], undefined)).toBeUndefined();
    await lock.release();
    const next = await other.claim(["a"], undefined);
    expect(next?.name).toBe("a");
    await next?.release();
    await (await again().lock("certificate:a", atOnce)).release();
  }),
  {
    name: "what has expired is found, though time goes on while it is read",
    async run(open) {
      const clock = testClock();
      const running = { ...clock, now: () => (clock.advance(10), clock.now()) };
      const store = (await open(running))();
      await store.certificates.saveRequest(requestOf("shop"));
      const lock = await store.lock(lockName, atOnce);
      await store.certificates.commit("shop", await newVersion("01"), lock);
      await lock.release();
      const now = running.now();
      const end = new Date(now.getTime() + 1);
      const found = await Array.fromAsync(store.certificates.due({ due: end, look: end }));
      expect(found.map(({ name }) => name)).toEqual(["shop"]);
      expect(await store.certificates.nextDue(now)).toBeUndefined();
    },
  },
  plain("all that is kept of its versions can be read", async (store, again) => {
    await store.certificates.saveRequest(requestOf("shop"));
    const [one, two, second] = [
      await newVersion("01"),
      await newVersion("02"),
      await newVersion("03"),
    ];
    const whole = {
      ...two,
      alternates: ["alternate\n"],
      properties: "properties\n",
      meta: { ...two.meta, second: { ...second.meta, keyType: "rsa2048" as const } },
      second,
    };
    const lock = await store.lock(lockName, atOnce);
    await store.certificates.commit("shop", one, lock);
    await store.certificates.commit("shop", whole, lock);
    await store.certificates.saveAlternate("shop", 2, 3, "later\n");
    await lock.release();
    const found = await again().certificates.versions("shop");
    expect(found).toMatchObject([
      { number: 1, meta: one.meta, added: {}, alternates: [] },
      { number: 2, meta: whole.meta, added: { 3: "later\n" }, alternates: ["alternate\n"] },
    ]);
    const [first, last] = found;
    expect(first?.privateKey?.trim()).toBe(one.privateKey.trim());
    expect(first?.certificate.trim()).toBe(one.certificate.trim());
    expect(last?.properties).toBe("properties\n");
    expect(last?.second?.privateKey?.trim()).toBe(second.privateKey.trim());
    expect(last?.second?.certificate.trim()).toBe(second.certificate.trim());
  }),
  plain("refused certificates are kept, each in a place of its own", async (store) => {
    await store.certificates.saveRequest(requestOf("shop"));
    const refused = {
      pem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      privateKey: "key",
      why: "it expired",
      directory: "https://ca.example/directory",
      orderUrl: "https://ca.example/order/1",
      at: "2026-01-01T00:00:00.000Z",
    };
    const first = await store.certificates.keepRefused("shop", refused);
    const other = { ...refused, privateKey: undefined, why: "another" };
    expect(await store.certificates.keepRefused("shop", other)).not.toBe(first);
    expect(await store.certificates.refused("shop")).toEqual([refused, other]);
    expect((await store.certificates.read("shop"))?.held).toBeUndefined();
  }),
  plain("a commit without its lock changes nothing", async (store) => {
    await store.certificates.saveRequest(requestOf("shop"));
    await commit(store, "01");
    const lock = await store.lock(lockName, atOnce);
    await lock.release();
    const late = store.certificates.commit("shop", await newVersion("02"), lock);
    await expect(late).rejects.toMatchObject(isLocked);
    expect((await store.certificates.read("shop"))?.held?.meta.serial).toBe("01");
  }),
  plain("version numbers only grow", async (store, again) => {
    await store.certificates.saveRequest(requestOf("shop"));
    for (let number = 1; number <= 7; number++) {
      const held = await commit(again(), `0${number}`);
      expect(held.version).toBe(number);
    }
    expect((await store.certificates.read("shop"))?.held?.version).toBe(7);
  }),
  plain("wildcards, addresses and long names are certificate names", async (store) => {
    const long = `*.${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.example.com`;
    const names = ["*.example.com", "2001:db8::1", "::1", "Shop_1", long];
    for (const name of names) {
      await store.certificates.saveRequest(requestOf(name));
      expect((await store.certificates.read(name))?.name).toBe(name);
    }
    expect((await store.certificates.names()).toSorted()).toEqual(names.toSorted());
  }),
  plain("a status may be stored before the request", async (store) => {
    await store.certificates.updateStatus("shop", (status) => ({ ...status, failures: 3 }));
    expect(await store.certificates.read("shop")).toBeUndefined();
    expect(await store.certificates.names()).toEqual([]);
    await store.certificates.saveRequest(requestOf("shop"));
    expect((await store.certificates.read("shop"))?.status).toEqual({ failures: 3 });
  }),
  plain("30 concurrent status changes all count", async (store, again) => {
    const other = again();
    const changes = Array.from({ length: 30 }, (_, index) =>
      (index % 2 === 0 ? store : other).certificates.updateStatus("shop", (status) => ({
        ...status,
        failures: status.failures + 1,
      })),
    );
    const counts = (await Promise.all(changes)).map(({ failures }) => failures);
    expect(counts.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
  }),
  plain("a removed certificate is gone, and can be removed again", async (store) => {
    await store.certificates.saveRequest(requestOf("shop"));
    await commit(store, "01");
    await store.certificates.remove("shop");
    await store.certificates.remove("shop");
    expect(await store.certificates.names()).toEqual([]);
    expect(await store.certificates.readPrivateKey("shop")).toBeUndefined();
  }),
  plain("the probe of a writable store leaves nothing behind", async (store) => {
    await store.checkWritable();
    expect(await store.certificates.names()).toEqual([]);
  }),
];

const unfinishedCases: readonly StoreCase[] = [
  plain("the next run reads an unfinished order as it was written", async (store, again) => {
    const pending = await unfinishedOrder("*.example.com");
    await store.journal.write(pending);
    const next = again().journal;
    expect(await next.names()).toEqual(["*.example.com"]);
    expect(await next.read("*.example.com")).toEqual(pending);
    expect(await next.read("other")).toBeUndefined();
    await next.remove("*.example.com");
    await next.remove("*.example.com");
    expect(await next.names()).toEqual([]);
  }),
  plain("the last of several concurrent journal writes wins", async (store) => {
    const pending = await unfinishedOrder("shop");
    const hashes = Array.from({ length: 20 }, (_, index) => `${index}`);
    await Promise.all(
      hashes.map((requestHash) => store.journal.write({ ...pending, requestHash })),
    );
    expect((await store.journal.read("shop"))?.requestHash).toBe("19");
  }),
  plain("pending post hooks are kept by run", async (store, again) => {
    const [start, notify] = [{ run: "systemctl start nginx", shell: true }, { run: ["notify"] }];
    await Promise.all([
      store.pendingHooks.add("run-1", start),
      again().pendingHooks.add("run-2", notify),
    ]);
    await store.pendingHooks.add("run-1", notify);
    expect(await again().pendingHooks.list()).toEqual({
      "run-1": [start, notify],
      "run-2": [notify],
    });
    await store.pendingHooks.remove("run-1");
    await store.pendingHooks.remove("run-1");
    expect(await again().pendingHooks.list()).toEqual({ "run-2": [notify] });
  }),
  plain(
    "an answer to a challenge is seen by every process until it is removed",
    async (store, again) => {
      const answer = {
        type: "http-01",
        host: "shop.example.com",
        token: "t-1",
        content: "t-1.k",
      } as const;
      const byTls = { ...answer, type: "tls-alpn-01" } as const;
      const others = [byTls, { ...answer, host: "2001:db8::1" }, { ...answer, token: "t-2" }];
      for (const one of [answer, ...others]) await store.answers.put(one, 60_000);
      expect(sorted(await again().answers.list())).toEqual(sorted([answer, ...others]));
      await again().answers.remove({ type: "http-01", host: answer.host, token: answer.token });
      await store.answers.remove(answer);
      expect(sorted(await store.answers.list())).toEqual(sorted(others));
      await store.answers.put({ ...byTls, content: "t-1.other" }, 60_000);
      const found = (await again().answers.list()).filter(({ type }) => type === "tls-alpn-01");
      expect(found).toEqual([{ ...byTls, content: "t-1.other" }]);
    },
  ),
  plain("an answer ends by itself, and may be given a later end", async (store, again) => {
    const answer = {
      type: "http-01",
      host: "shop.example.com",
      token: "t-1",
      content: "t-1.k",
    } as const;
    await store.answers.put(answer, 0);
    expect(await again().answers.list()).toEqual([]);
    await store.answers.put(answer, 60_000);
    expect(await again().answers.list()).toEqual([answer]);
    await store.answers.put(answer, 0);
    expect(await again().answers.list()).toEqual([]);
  }),
  plain("each solver keeps JSON of its own", async (store, again) => {
    const state = store.solverState("acme-dns");
    await Promise.all([
      state.set("example.com", { fulldomain: "d420.auth.example" }),
      state.set("example.org", 1),
      again().solverState("acme-dns").set("__proto__", "harmless"),
    ]);
    const next = again().solverState("acme-dns");
    expect(await next.get("example.com")).toEqual({ fulldomain: "d420.auth.example" });
    expect(await next.get("example.org")).toBe(1);
    expect(await next.get("__proto__")).toBe("harmless");
    expect(await next.get("toString")).toBeUndefined();
    expect(await again().solverState("../acme-dns").get("example.com")).toBeUndefined();
    await next.set("example.org", undefined);
    expect(await next.get("example.org")).toBeUndefined();
    await next.set("example.net", null);
    expect(await next.get("example.net")).toBeNull();
  }),
];

const lockCases: readonly StoreCase[] = [
  plain("a second lock of one name waits for the first", async (store, again) => {
    const first = await store.lock(lockName, atOnce);
    await expect(again().lock(lockName, atOnce)).rejects.toMatchObject(isLocked);
    const order: string[] = [];
    const second = await again().lock(lockName, {
      wait: 10_000,
      signal: never,
      onWait: () => {
        order.push("waits");
        void first.release();
      },
    });
    await second.assertHeld();
    expect(order).toEqual(["waits"]);
    await expect(first.assertHeld()).rejects.toMatchObject(isLocked);
    await second.release();
    await second.release();
  }),
  plain("locks of similar names do not wait for each other", async (store) => {
    const names = ["account:https://a.example/x", "account:https://a.example/x/", "a_b", "a:b"];
    const locks = await Promise.all(
      [...names, "a/b", "A:b"].map((name) => store.lock(name, atOnce)),
    );
    await Promise.all(locks.map((lock) => lock.assertHeld()));
    await Promise.all(locks.map((lock) => lock.release()));
  }),
  plain("ten waiting runs take a lock one after the other", async (_, again) => {
    let holders = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        const lock = await again().lock(lockName, { wait: 30_000, signal: never });
        most = Math.max(most, ++holders);
        await lock.assertHeld();
        holders--;
        await lock.release();
      }),
    );
    expect(most).toBe(1);
  }),
  {
    name: "waiting for a lock ends at its time limit, and at once when the run is stopped",
    async run(open) {
      const clock = testClock();
      const again = await open(clock);
      const lock = await again().lock(lockName, atOnce);
      // Without a heartbeat for an hour: the lock of a living process stays.
      clock.advance(3_600_000);
      const waiting = again().lock(lockName, { wait: 5000, signal: never });
      await expect(waiting).rejects.toMatchObject({
        ...isLocked,
        message: expect.stringContaining("Waited 5 s"),
      });
      const controller = new AbortController();
      const stopped = again().lock(lockName, {
        wait: 60_000,
        signal: controller.signal,
        onWait: () => controller.abort(new Error("Ctrl-C")),
      });
      await expect(stopped).rejects.toThrow("Ctrl-C");
      await lock.assertHeld();
      await lock.release();
    },
  },
  {
    name: "a clock that is set while a run waits for a lock changes nothing",
    async run(open) {
      for (const jump of [-86_400_000, 86_400_000]) {
        const clock = testClock();
        const again = await open(clock);
        const first = await again().lock(lockName, atOnce);
        const before = clock.monotonic();
        const waiting = again().lock(lockName, {
          wait: 4000,
          signal: never,
          onWait: () => clock.set(new Date(clock.now().getTime() + jump)),
        });
        await expect(waiting).rejects.toMatchObject(isLocked);
        const waited = clock.monotonic() - before;
        expect(waited).toBeGreaterThanOrEqual(4000);
        expect(waited).toBeLessThan(5000);
        await first.release();
      }
    },
  },
];

const ledgerCases: readonly StoreCase[] = [
  plain("a ledger per directory is empty at first, and outlives the run", async (store, again) => {
    const empty = { entries: [], pauses: [] };
    expect(await store.ledger.read(directory)).toEqual(empty);
    const entry = { at: "2027-01-01T00:00:00.000Z", event: "order", names: ["a.example"] } as const;
    const pause = { until: "2027-01-02T00:00:00.000Z", detail: "Too many." };
    const changed = { entries: [entry], pauses: [pause] };
    expect(await store.ledger.update(directory, () => changed)).toEqual(changed);
    expect(await again().ledger.read(directory)).toEqual(changed);
    expect(await again().ledger.read(`${directory}2`)).toEqual(empty);
  }),
  plain("changes of one ledger that meet are all kept", async (store) => {
    const add = (name: string) =>
      store.ledger.update(directory, ({ entries, pauses }) => {
        const entry = { at: "2027-01-01T00:00:00.000Z", event: "order", names: [name] } as const;
        return { entries: [...entries, entry], pauses };
      });
    await Promise.all(["a", "b", "c"].map(add));
    const { entries } = await store.ledger.read(directory);
    expect(entries.flatMap(({ names }) => names).toSorted()).toEqual(["a", "b", "c"]);
  }),
  plain("changes see the entries that count for the same limits", async (store, again) => {
    const at = "2027-01-01T00:00:00.000Z";
    const entries = [
      { at, event: "order", account: "1", names: ["a.example"] },
      { at, event: "order", account: "2", names: ["a.example"] },
      { at, event: "certificate", account: "2", names: ["www.a.example", "b.example"] },
      { at, event: "failure", account: "1", names: ["c.example"] },
    ] as const;
    const [mine, , issued] = entries;
    const added = { at, event: "order", account: "1", names: ["d.example"] } as const;
    await store.ledger.update(directory, () => ({ entries, pauses: [] }));
    const about = { events: ["order", "certificate"], account: "1", names: ["a.example"] } as const;
    const found = (await again().ledger.read(directory, about)).entries;
    expect(found).toEqual(expect.arrayContaining([mine, issued]));
    await again().ledger.update(
      directory,
      (ledger) => ({ ...ledger, entries: [...ledger.entries.slice(1), added] }),
      about,
    );
    const pause = { until: "2027-01-02T00:00:00.000Z", detail: "Too many." };
    const none = { events: [], account: undefined, names: [] };
    await store.ledger.update(directory, (ledger) => ({ ...ledger, pauses: [pause] }), none);
    const [, ...others] = entries;
    expect(await again().ledger.read(directory)).toEqual({
      entries: [...others, added],
      pauses: [pause],
    });
  }),
];

const hostCases: readonly StoreCase[] = [
  plain("what each host has of a certificate is remembered", async (store, again) => {
    for (const name of ["shop", "mail"]) await store.certificates.saveRequest(requestOf(name));
    const [since, later] = ["2026-01-02T03:04:05.000Z", "2026-02-02T03:04:05.000Z"];
    const step = { step: "reload nginx", state: "failed", at: since, detail: "no nginx" } as const;
    const web1 = { host: "web1", version: 1, since, serves: { version: 1, since }, steps: [] };
    const web2 = { host: "web2.example.com", version: 2, since, steps: [step] };
    await store.hosts.record("shop", { ...web1, version: 7 });
    await Promise.all([
      store.hosts.record("shop", web1),
      again().hosts.record("shop", web2),
      store.hosts.record("mail", web1),
      store.hosts.record("unknown", web1),
    ]);
    await store.certificates.updateStatus("shop", (status) => ({ ...status, failures: 1 }));
    const { certificates, hosts } = again();
    expect((await certificates.read("shop"))?.hosts).toEqual([web1, web2]);
    const listed = async () =>
      (await Array.fromAsync(certificates.list()))
        .map((one) => ("hosts" in one ? ([one.name, one.hosts] as const) : ([one.name] as const)))
        .toSorted(([a], [b]) => (a < b ? -1 : 1));
    expect(await listed()).toEqual([
      ["mail", [web1]],
      ["shop", [web1, web2]],
    ]);
    await hosts.record("shop", { ...web2, since: later });
    expect((await certificates.read("shop"))?.hosts?.[1]?.since).toBe(later);
    await hosts.forget("web2.example.com", "shop");
    expect(await listed()).toEqual([
      ["mail", [web1]],
      ["shop", [web1]],
    ]);
    await hosts.record("shop", web2);
    await hosts.forget("web1");
    expect((await certificates.read("mail"))?.hosts).toBeUndefined();
    expect((await certificates.read("shop"))?.hosts).toEqual([web2]);
  }),
  plain("what a host had goes with the certificate", async (store) => {
    await store.certificates.saveRequest(requestOf("shop"));
    const record = { host: "web1", version: 1, since: "2026-01-02T03:04:05.000Z", steps: [] };
    await store.hosts.record("shop", record);
    await store.certificates.remove("shop");
    await store.certificates.saveRequest(requestOf("shop"));
    expect((await store.certificates.read("shop"))?.hosts).toBeUndefined();
  }),
];

const selectionCases: readonly StoreCase[] = [
  plain("certificates are listed by names, patterns and labels", async (store) => {
    const labels: Readonly<Record<string, Record<string, string>>> = {
      shop: { role: "web", team: "a" },
      shop2: { role: "web" },
      mail: { role: "mx", team: "a" },
      "*.example.com": {},
      "www.example.com": {},
      "www-example_com": { "it's": '50% \\ "quoted"' },
    };
    for (const [name, own] of Object.entries(labels))
      await store.certificates.saveRequest({ ...requestOf(name), labels: own });
    const listed = async (...select: readonly Selection[]) =>
      (await Array.fromAsync(store.certificates.list({ select })))
        .map(({ name }) => name)
        .toSorted();
    expect(await listed({})).toEqual(Object.keys(labels).toSorted());
    expect(await listed()).toEqual([]);
    expect(await listed({ names: [] })).toEqual([]);
    expect(await listed({ names: ["shop", "absent"] })).toEqual(["shop"]);
    expect(await listed({ names: ["shop*"] })).toEqual(["shop", "shop2"]);
    expect(await listed({ names: ["\\*.example.com"] })).toEqual(["*.example.com"]);
    expect(await listed({ names: ["*.example.com", "m*"] })).toEqual([
      "*.example.com",
      "mail",
      "www.example.com",
    ]);
    expect(await listed({ labels: { role: "web" } })).toEqual(["shop", "shop2"]);
    expect(await listed({ labels: { role: "web", team: "a" } })).toEqual(["shop"]);
    expect(await listed({ labels: { team: "a" }, names: ["m*"] })).toEqual(["mail"]);
    expect(await listed({ names: ["mail"] }, { labels: { role: "web" } })).toEqual([
      "mail",
      "shop",
      "shop2",
    ]);
    expect(await listed({ labels: labels["www-example_com"] })).toEqual(["www-example_com"]);
    expect(await listed({ labels: { role: "none" } })).toEqual([]);
  }),
];

export const storeCases: readonly StoreCase[] = [
  ...hostCases,
  ...selectionCases,
  ...ledgerCases,
  ...accountCases,
  ...certificateCases,
  ...unfinishedCases,
  ...lockCases,
];
