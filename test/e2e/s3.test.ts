import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { isRecord } from "../../src/json.ts";
import { readableName } from "../../src/state/folder/names.ts";
import { openSealing } from "../../src/state/sealing.ts";
import type { Lock, Store } from "../../src/state/store.ts";
import { storeCases, type OpenState } from "../state/cases.ts";
import { allOf, lateChanges, lateLocks, lockedAndFilled, takeAll } from "../state/late-changes.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { change, openAt, stateKey, type Opening } from "../state/s3/state.ts";
import { never } from "../state/state.ts";
import { startWorker } from "../state/workers.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { available } from "../support/servers/catalog.ts";
import { freePort } from "../support/servers/process.ts";
import { startS3, type S3 } from "../support/servers/s3.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const atOnce = { wait: 0, signal: never };
const lease = "certificate:shop";
const locked = { exitCode: 8 };
const head = "certificates/shop.json";
const leaseOf = (name: string) => `leases/${readableName(name)}.json`;

describe.skipIf(!available("versitygw"))("the store in S3", () => {
  let server: S3;
  beforeAll(async () => {
    server = await startS3();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const open: OpenState = async (clock) => {
    const url = server.url(await server.createBucket());
    const folder = await temporaryFolder("acmectl-files-");
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const tools = { clock, files: folder.path, env: server.keys };
    const first = await openAt(url, tools);
    const stores = await Promise.all(Array.from({ length: 12 }, () => openAt(url, tools)));
    return () => stores.pop() ?? first;
  };
  describe("with conditional writes", () => {
    test.each(storeCases)("$name", ({ run }) => run(open));
  });

  /** A state with one certificate that was asked for. */
  async function newState(tools: Opening = {}) {
    const bucket = await server.createBucket();
    const url = server.url(bucket);
    const again = (more: Opening = {}) => openAt(url, { env: server.keys, ...tools, ...more });
    const store = await again();
    await store.certificates.saveRequest(requestOf("shop"));
    const edit = (key: string, turn: (value: Record<string, unknown>) => unknown) =>
      change(url, key, turn, server.keys);
    const objects = () => server.objects(bucket);
    return { bucket, url, store, edit, again, objects };
  }
  const leaseIn = (value: Record<string, unknown>) =>
    isRecord(value["lease"]) ? value["lease"] : {};
  const ended = (value: Record<string, unknown>) => ({
    ...value,
    lease: { ...leaseIn(value), endsAt: 1 },
  });
  const heldOf = async (store: Store) => (await store.certificates.read("shop"))?.held;
  const commit = async (store: Store, lock: Lock, serial = "01") =>
    store.certificates.commit("shop", await newVersion(serial), lock);
  const pendingOf = (requestHash: string) => ({
    name: "shop",
    directory: "https://acme.example.org/directory",
    accountId: "thumb",
    requestHash,
    startedAt: "2026-03-01T00:00:00.000Z",
    presented: [],
  });

  describe("leases", () => {
    test("a run whose lease has ended and was taken changes nothing, and does not give it back", async () => {
      const { store, again, edit } = await newState();
      const lost = await store.lock(lease, atOnce);
      await store.journal.write(pendingOf("first"));
      await edit(head, ended);
      const other = await again();
      const taken = await other.lock(lease, atOnce);
      expect(Number(taken.token)).toBeGreaterThan(Number(lost.token));
      await other.journal.write(pendingOf("second"));

      const message = /lost the lease "certificate:shop": pid \d+ on .* holds it now/;
      await expect(lost.assertHeld()).rejects.toThrow(message);
      await expect(commit(store, lost)).rejects.toMatchObject(locked);
      await expect(store.journal.write(pendingOf("late"))).rejects.toMatchObject(locked);
      await expect(store.journal.remove("shop")).rejects.toMatchObject(locked);
      await lost.release();
      await taken.assertHeld();
      expect((await other.journal.read("shop"))?.requestHash).toBe("second");
      expect(await other.journal.names()).toEqual(["shop"]);
      expect(await heldOf(other)).toBeUndefined();
      await taken.release();
    });

    test("a run that lost its leases changes nothing that they protect", async () => {
      const { store, again, edit } = await newState();
      const filled = await lockedAndFilled(store);
      await edit(head, ended);
      for (const name of lateLocks.slice(1)) await edit(leaseOf(name), ended);
      const other = await again();
      const taken = await takeAll(other);
      const before = await allOf(other);
      for (const [what, change] of Object.entries(lateChanges)) {
        const refused = { exitCode: 8, message: expect.stringContaining("lost the lease") };
        await expect(change(store, filled), what).rejects.toMatchObject(refused);
        expect(await allOf(other), what).toEqual(before);
      }
      await Promise.all([...filled.locks, ...taken].map((lock) => lock.release()));
    });

    test("a lease that has ended allows no commit, even if no other run has taken it", async () => {
      const { store, edit } = await newState();
      const lock = await store.lock(lease, atOnce);
      await edit(head, ended);
      await expect(commit(store, lock)).rejects.toThrow(/lost the lease .*: it has ended/);
      expect(await heldOf(store)).toBeUndefined();
    });

    test("heartbeats keep a lease for longer than its time", async () => {
      const { store, again } = await newState({ leaseTime: 2000 });
      const lock = await store.lock(lease, atOnce);
      await sleep(3500);
      await lock.assertHeld();
      await expect((await again()).lock(lease, atOnce)).rejects.toMatchObject(locked);
      await lock.release();
    });

    test("the lease of a process that has died on this host is taken at once", async () => {
      const { store, again, edit } = await newState();
      await store.lock(lease, atOnce);
      await edit(head, (value) => {
        const holder = leaseIn(value)["holder"];
        const died = { ...(isRecord(holder) ? holder : {}), startTime: "1" };
        return { ...value, lease: { ...leaseIn(value), holder: died } };
      });
      await (await (await again()).lock(lease, atOnce)).release();
    });

    test("a worker that was stopped past its lease commits nothing and says so", async () => {
      const { store, url } = await newState({ leaseTime: 2000 });
      const worker = startWorker([url, "1", "2000"], server.keys);
      await worker.line("held");
      worker.child.kill("SIGSTOP");
      const taken = await store.lock(lease, { wait: 20_000, signal: never });
      await commit(store, taken);
      worker.child.kill("SIGCONT");
      worker.child.stdin.write("\n");
      await worker.line(/This run lost the lease "certificate:shop": .* Nothing was changed/);
      expect((await heldOf(store))?.version).toBe(1);
      await taken.release();
    });

    test("eight processes commit one after the other, and each reads what fits", async () => {
      const { store, url, objects } = await newState();
      const workers = Array.from({ length: 8 }, () => startWorker([url, "1"], server.keys));
      await Promise.all(workers.map(({ child }) => once(child, "exit")));
      for (const { output } of workers) expect(output()).not.toContain("lost");
      expect((await heldOf(store))?.version).toBe(8);
      const kept = Object.keys(await objects()).filter((key) => key.includes("versions/"));
      expect(kept).toHaveLength(5);
      const plain = openSealing([], { plain: true });
      const reader = await openAt(url, { env: server.keys, sealing: plain });
      expect(await reader.check({ repair: false })).toEqual([]);
    });
  });

  describe("connections", () => {
    test("what is cut off at any message is done exactly once", async () => {
      const { bucket, store: direct } = await newState();
      await using proxy = await startCuttingProxy(server.port);
      const store = await openAt(server.url(bucket, proxy.port), { env: server.keys });
      const lock = await store.lock(lease, atOnce);
      let serial = 10;
      const work = {
        commit: async () => void (await commit(store, lock, `${++serial}`)),
        status: async () =>
          void (await store.certificates.updateStatus("shop", (status) => ({
            ...status,
            failures: status.failures + 1,
          }))),
        journal: () => store.journal.write(pendingOf(`${serial}`)),
        ledger: async () =>
          void (await store.ledger.update("d", ({ entries, pauses }) => ({
            entries: [...entries, { at: `${++serial}`, event: "order", names: [] }],
            pauses,
          }))),
        hook: () => store.pendingHooks.add("run", { run: `${++serial}` }),
        lease: async () => (await store.lock(`run-${++serial}`, atOnce)).release(),
      };
      const runs: Record<string, number> = {};
      for (const [name, run] of Object.entries(work)) {
        for (const when of ["before", "after"] as const) {
          for (let count = 1, wasCut = true; wasCut && count < 12; count++) {
            const isCut = proxy.cutAt(count, when);
            await run();
            wasCut = isCut();
            runs[name] = (runs[name] ?? 0) + 1;
          }
        }
      }
      expect((await heldOf(direct))?.version).toBe(runs["commit"]);
      expect((await direct.certificates.read("shop"))?.status.failures).toBe(runs["status"]);
      expect((await direct.ledger.read("d")).entries).toHaveLength(runs["ledger"] ?? 0);
      expect((await direct.pendingHooks.list())["run"]).toHaveLength(runs["hook"] ?? 0);
      expect(runs["commit"]).toBeGreaterThan(6);
      await lock.release();
    });

    test("a change whose answer was lost is not made again after another run's", async () => {
      const { bucket, store: other } = await newState();
      await using proxy = await startCuttingProxy(server.port);
      const store = await openAt(server.url(bucket, proxy.port), { env: server.keys });
      const count = (by: Store) =>
        by.certificates.updateStatus("shop", (status) => {
          if (by === store) cut ??= proxy.cutAt(1, "after");
          return { ...status, failures: status.failures + 1 };
        });
      let cut: (() => boolean) | undefined;
      await Promise.all([count(store), ...Array.from({ length: 5 }, () => count(other))]);
      expect(cut?.()).toBe(true);
      expect((await other.certificates.read("shop"))?.status.failures).toBe(6);
    });

    test("a run goes on when the server is restarted", async () => {
      const { store } = await newState();
      const lock = await store.lock(lease, atOnce);
      await server.stop();
      const committed = commit(store, lock);
      await server.start();
      expect((await committed).version).toBe(1);
      await lock.release();
    });
  });

  test("each problem says what is wrong with the server and what to do", async () => {
    const { url } = await newState();
    const failure = async (at: string, env: Record<string, string> = server.keys) => {
      const opened = openAt(at, { env }).then((store) => store.certificates.names());
      return opened.then(() => undefined).catch((error: unknown) => error);
    };
    const machine = (message: RegExp, hint: RegExp) => ({
      exitCode: 3,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
    const found = await Promise.all([
      failure(server.url("nowhere-at-all")),
      failure(url, { ...server.keys, AWS_ACCESS_KEY_ID: "stranger" }),
      failure(url, { ...server.keys, AWS_SECRET_ACCESS_KEY: "wrong-secret" }),
      failure(`${url}&region=eu-central-1`),
      failure(url.replace(`:${server.port}`, `:${await freePort()}`)),
    ]);
    expect(found).toMatchObject([
      machine(/has no bucket nowhere-at-all/, /aws s3 mb/),
      machine(/does not know the access key/, /AWS_ACCESS_KEY_ID/),
      machine(/does not accept the signature/, /secret access key/),
      machine(/is in the region us-east-1, not in eu-central-1/, /region=us-east-1/),
      machine(/127\.0\.0\.1:\d+ is not reached: connection refused/, /endpoint and region/),
    ]);
    expect(String(found[2])).not.toContain("wrong-secret");
  });

  describe("secrets", () => {
    test("the bucket has no private key in the clear", async () => {
      const { store, objects } = await newState();
      const keys = await Promise.all(
        ["01", "02", "03", "04", "05"].map(async (serial) => (await newVersion(serial)).privateKey),
      );
      const [account = "", next = "", order = "", announced = "", refused = ""] = keys;
      const at = "https://acme.example.org/directory";
      const created = await store.accounts.create({
        id: "a",
        directory: at,
        key: account,
        contact: [],
      });
      await store.accounts.beginRollover(created, next);
      const pending = {
        ...pendingOf("x"),
        privateKey: order,
        second: { ...pendingOf("y"), privateKey: order },
        others: [{ ...pendingOf("z"), privateKey: next }],
      };
      await store.journal.write(pending);
      await store.certificates.saveNextKey("shop", "ec256", announced);
      const orderUrl = "https://acme.example.org/order/1";
      const facts = { pem: "", why: "", directory: at, orderUrl, at: "" };
      await store.certificates.keepRefused("shop", { ...facts, privateKey: refused });
      await store.solverState("acme-dns").set("example.com", { password: "canary-of-acme-dns" });
      const lock = await store.lock(lease, atOnce);
      const [version, other] = [await newVersion("07"), await newVersion("08")];
      const meta = { ...version.meta, second: { ...other.meta, keyType: "rsa2048" as const } };
      await store.certificates.commit("shop", { ...version, meta, second: other }, lock);
      await lock.release();

      const dump = JSON.stringify(await objects());
      expect(dump).toContain("acmectl1.");
      const bodies = [...keys, version.privateKey, other.privateKey].flatMap((pem) =>
        pem.split("\n").slice(1, -2),
      );
      for (const line of ["PRIVATE KEY", "canary-of-acme-dns", ...bodies])
        expect(dump).not.toContain(line);
      expect(await store.certificates.readPrivateKey("shop")).toBe(version.privateKey);
      expect(await store.certificates.readPrivateKey("shop", "rsa2048")).toBe(other.privateKey);
      expect(await store.journal.read("shop")).toMatchObject(pending);
      expect((await store.accounts.list())[0]).toMatchObject({ key: account, nextKey: next });
      expect(await store.check({ repair: false })).toEqual([]);
    });

    test("keys can be rotated, and a key that was moved to another version is refused", async () => {
      const { store, again, edit, objects } = await newState();
      const account = { id: "a", directory: "https://acme.example.org/directory", contact: [] };
      const { privateKey: key } = await newVersion("03");
      await store.accounts.create({ ...account, key });
      await store.journal.write({ ...pendingOf("x"), privateKey: key });
      await store.certificates.saveNextKey("shop", "ec256", key);
      await store.solverState("acme-dns").set("example.com", 1);
      const lock = await store.lock(lease, atOnce);
      for (const serial of ["01", "02"]) await commit(store, lock, serial);
      await lock.release();
      const fresh = Buffer.alloc(32, 7).toString("base64");
      const rotated = await again({ sealing: openSealing([fresh, stateKey]) });
      const stranger = await again({ sealing: openSealing([fresh]) });
      await expect(stranger.certificates.readPrivateKey("shop")).rejects.toThrow(
        /encrypted with the state key [0-9a-f]{16}, and it is not among the state keys/,
      );
      expect(await rotated.rekey(never)).toBe(6);
      expect(await rotated.rekey(never)).toBe(0);
      expect(await stranger.certificates.readPrivateKey("shop")).toContain("PRIVATE KEY");
      expect(await stranger.check({ repair: false })).toEqual([]);
      expect(await stranger.solverState("acme-dns").get("example.com")).toBe(1);

      const [first, second] = Object.keys(await objects())
        .filter((name) => name.includes("/versions/"))
        .toSorted()
        .map((name) => name.replace(/^state\//, ""));
      await edit(head, (value) => ({ ...value, versions: { 1: second, 2: first } }));
      await expect(stranger.certificates.readPrivateKey("shop")).rejects.toThrow(
        /cannot be decrypted/,
      );
    });
  });

  test("state check finds a certificate with another's key, and removes what killed runs left", async () => {
    const { store, edit, objects } = await newState({ sealing: openSealing([], { plain: true }) });
    const lock = await store.lock(lease, atOnce);
    await commit(store, lock);
    await lock.release();
    const { privateKey } = await newVersion("02");
    const [version = ""] = Object.keys(await objects()).filter((key) => key.includes("/versions/"));
    await edit(version.replace(/^state\//, ""), (value) => ({ ...value, privateKey }));
    await store.certificates.saveNextKey("gone", "ec256", privateKey);
    for (const key of ["versions/shop/000002-x.json", "unfinished/shop/1.json"])
      await edit(key, () => ({ name: "shop" }));
    const unreadable = { where: "mail", fault: expect.stringMatching(/cannot be read/) };
    await edit("certificates/mail.json", () => ({ name: 1 }));
    expect(await store.check({ repair: true })).toMatchObject([
      unreadable,
      { where: "shop", fault: "version 1: privkey.pem is not the key of cert.pem" },
      { where: "next-keys/gone/ec256.json", done: "removed" },
      { where: "versions/shop/000002-x.json", done: "removed" },
      { where: "unfinished/shop/1.json", done: "removed" },
    ]);
    expect(await store.check({ repair: false })).toHaveLength(2);
  });

  test("what is due is found by the index alone, also after a change behind it was repaired", async () => {
    const { store, again, edit, objects } = await newState();
    const lock = await store.lock(lease, atOnce);
    await commit(store, lock);
    await lock.release();
    const until = (time: number) => ({ due: new Date(time), look: new Date(0) });
    const due = async (before: number) =>
      (await Array.fromAsync((await again()).certificates.due(until(before)))).map(
        ({ name }) => name,
      );
    const at = (await store.certificates.nextDue(new Date(0)))?.at.getTime() ?? 0;
    expect(at).toBeGreaterThan(0);
    expect(await due(at - 120_000)).toEqual([]);
    expect(await due(at + 300_000)).toEqual(["shop"]);
    expect(await store.certificates.count()).toBe(1);
    expect(await store.certificates.namesakes(requestOf("other"))).toEqual(
      await store.certificates.namesakes({ ...requestOf("shop"), name: "other" }),
    );
    const entries = async () =>
      Object.keys(await objects()).filter((key) => /\/(due|look|sets)\//.test(key)).length;
    const before = await entries();
    for (let left = 3; left > 0; left--)
      await store.certificates.updateStatus("shop", (one) => one);
    expect(await entries()).toBe(before);
    await edit(head, (value) => ({ ...value, index: undefined }));
    expect(await store.check({ repair: true })).toMatchObject([{ where: head, done: "indexed" }]);
    expect(await due(at + 300_000)).toEqual(["shop"]);
    await store.certificates.remove("shop");
    expect(await due(at + 300_000)).toEqual([]);
  });

  describe("commands", () => {
    const day = 86_400_000;
    let issuing: Issuing;
    /** Of the CA's clock. */
    let behind = 0;
    beforeAll(async () => {
      issuing = await startIssuing({ now: () => new Date(Date.now() - behind) });
    });
    afterAll(() => issuing[Symbol.asyncDispose]());

    /** A host with a state of its own in a bucket. */
    async function newHost() {
      const folder = await temporaryFolder();
      onTestFinished(() => folder[Symbol.asyncDispose]());
      const bucket = await server.createBucket();
      const url = server.url(bucket);
      const files = join(folder.path, "files");
      const env = {
        ...server.keys,
        HOME: folder.path,
        ACMECTL_STATE: url,
        ACMECTL_STATE_FILES: files,
        ACMECTL_STATE_KEY: randomBytes(32).toString("base64"),
      };
      // What is in a bucket is not seen by the invariants.
      const goal = { "exit code 0 means that the goal is met": "the state is in a bucket" };
      const run = (...words: string[]) =>
        acmectl(words, { env, excused: words.includes("--state") ? {} : goal }).ended;
      const [, , ...ca] = issuing.words.filter(
        (word) => word !== "--state" && word !== issuing.state,
      );
      const solver = ["--solver", "standalone", "--standalone-port", `${issuing.httpPort}`];
      const at = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`];
      const directory = issuing.words.slice(0, 2);
      const issue = (...words: string[]) =>
        run("issue", ...words, ...directory, ...ca, ...solver, ...at);
      return { run, issue, files, url, bucket, folderState: join(folder.path, "state") };
    }
    const orders = () =>
      issuing.ca.requests.filter(({ path }) => path.endsWith("/new-order")).length;

    test("state init, issue, list, status, renew and state check work, and files are written for servers", async () => {
      const host = await newHost();
      const begun = await host.run("state", "init");
      expect(begun, begun.stderr).toMatchObject({ code: 0 });
      expect(begun.stdout).toMatch(/This policy is enough[^]*"s3:PutObject"/);
      const issued = await host.issue("-d", "a.example.test");
      expect(issued, issued.stderr).toMatchObject({ code: 0 });
      const key = join(host.files, "certificates/a.example.test/current/privkey.pem");
      expect(await readFile(key, "utf8")).toContain("PRIVATE KEY");
      const listed = await host.run("list");
      expect(listed.stdout, listed.stderr).toContain("a.example.test");
      expect((await host.run("status", "--check")).code).toBe(0);
      expect((await host.run("renew")).stdout).toContain("Nothing is due");
      expect((await host.run("state", "check")).stdout).toContain("Found no damage in s3://");
      expect(JSON.stringify(await server.objects(host.bucket))).not.toContain("PRIVATE KEY");
    });

    test("two processes that renew at once order each certificate once", async () => {
      const host = await newHost();
      behind = 80 * day;
      const issued = await host.issue("-d", "b.example.test");
      expect(issued, issued.stderr).toMatchObject({ code: 0 });
      behind = 0;
      // A certificate that was just issued is not renewed.
      const issuedAt = new Date(Date.now() - 80 * day).toISOString();
      const store = await openAt(host.url, { env: server.keys });
      const key = "certificates/b.example.test.json";
      await change(
        host.url,
        key,
        ({ held, ...value }) => {
          const { meta, ...version } = isRecord(held) ? held : {};
          return { ...value, held: { ...version, meta: { ...Object(meta), issuedAt } } };
        },
        server.keys,
      );
      const request = (await store.certificates.read("b.example.test"))?.request;
      if (request !== undefined) await store.certificates.saveRequest(request);
      const before = orders();
      const runs = await Promise.all([1, 2].map(() => host.run("renew", "--no-jitter")));
      for (const ran of runs) expect(ran, ran.stderr).toMatchObject({ code: 0 });
      expect(orders() - before).toBe(1);
      expect((await store.certificates.read("b.example.test"))?.held?.version).toBe(2);
    });

    test("state copy brings a folder into a bucket and back", async () => {
      const host = await newHost();
      const issued = await host.issue("-d", "c.example.test", "--state", host.folderState);
      expect(issued, issued.stderr).toMatchObject({ code: 0 });
      const copied = await host.run("state", "copy", host.folderState, host.url);
      expect(copied, copied.stderr).toMatchObject({ code: 0 });
      expect(copied.stdout).toMatch(/Copied \d+ of \d+ items from .* to s3:.*/);
      const again = await host.run("state", "copy", host.folderState, host.url, "--json");
      expect(again.stdout).toContain('"outcome": "unchanged"');
      const before = orders();
      expect((await host.issue("-d", "c.example.test")).stdout).toContain("nothing was done");
      expect(orders()).toBe(before);
      const back = join(host.folderState, "..", "back");
      expect((await host.run("state", "copy", host.url, back)).code).toBe(0);
      expect((await host.run("state", "check", "--state", back)).code).toBe(0);
      expect(existsSync(join(back, "certificates/c.example.test/current/privkey.pem"))).toBe(true);
    });
  });
});
