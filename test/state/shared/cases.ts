/** What every state that hosts share does: leases, connections that are cut, secrets. */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { openSealing, type Sealing } from "../../../src/state/sealing.ts";
import type { Lock, Store } from "../../../src/state/store.ts";
import { startCuttingProxy } from "../../support/cutting-proxy.ts";
import { filledState } from "../filled.ts";
import { allOf, directory, lateChanges, lockedAndFilled, takeAll } from "../late-changes.ts";
import { newVersion } from "../material.ts";
import { never } from "../state.ts";
import { startWorker } from "../workers.ts";
import type { Opening } from "./state.ts";

export interface SharedState {
  readonly server: { readonly port: number; stop(): Promise<void>; start(): Promise<void> };
  readonly url: string;
  /** What a process needs to open it. */
  readonly env: Readonly<Record<string, string>>;
  /** It has the request of the certificate "shop". */
  readonly store: Store;
  /** Opens it once more, as another host does. */
  readonly again: (tools?: Opening) => Promise<Store>;
  /** Opens it through a proxy at this port. */
  readonly through: (port: number) => Promise<Store>;
  /** Ends all leases. */
  readonly endLeases: () => Promise<unknown>;
  /** Lets the process that holds the lease look dead. */
  readonly endHolder: () => Promise<unknown>;
  /** All that is stored, as text. */
  readonly dump: () => Promise<string>;
}

export type NewState = (tools?: Opening) => Promise<SharedState>;

export const atOnce = { wait: 0, signal: never };
export const lease = "certificate:shop";
const locked = { exitCode: 8 };

const heldOf = async (store: Store) => (await store.certificates.read("shop"))?.held;

export const commit = async (store: Store, lock: Lock, serial = "01") =>
  store.certificates.commit("shop", await newVersion(serial), lock);

/** Milliseconds, so that no two entries of a ledger are the same. */
const laterBy = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString();

export const pendingOf = (requestHash: string) => ({
  name: "shop",
  directory,
  accountId: "thumb",
  requestHash,
  startedAt: "2026-03-01T00:00:00.000Z",
  presented: [],
});

export function leaseCases(newState: NewState): void {
  test("a run whose lease has ended and was taken changes nothing, and does not give it back", async () => {
    const { store, again, endLeases } = await newState();
    const lost = await store.lock(lease, atOnce);
    await store.journal.write(pendingOf("first"));
    await endLeases();
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
    const { store, again, endLeases } = await newState();
    const filled = await lockedAndFilled(store);
    await endLeases();
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
    const { store, endLeases } = await newState();
    const lock = await store.lock(lease, atOnce);
    await endLeases();
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
    const { store, again, endHolder } = await newState();
    await store.lock(lease, atOnce);
    await endHolder();
    await (await (await again()).lock(lease, atOnce)).release();
  });

  test("a worker that was stopped past its lease commits nothing and says so", async () => {
    const { store, url, env } = await newState({ leaseTime: 2000 });
    const worker = startWorker([url, "1", "2000"], env);
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
}

/** Eight processes that commit one after the other, `each` so many versions, and count them in the status without a lease. */
export async function eightWorkers({ url, env, store }: SharedState, each: number): Promise<void> {
  const workers = Array.from({ length: 8 }, () => startWorker([url, `${each}`], env));
  await Promise.all(workers.map(({ child }) => once(child, "exit")));
  for (const { output } of workers) expect(output()).not.toContain("lost");
  const shop = await store.certificates.read("shop");
  expect([shop?.held?.version, shop?.status.failures]).toEqual([8 * each, 8 * each]);
}

/** `messages` is less than a commit sends. */
export function connectionCases(newState: NewState, messages: number): void {
  test("what is cut off at any message is done exactly once", async () => {
    const { server, through, store: direct } = await newState();
    await using proxy = await startCuttingProxy(server.port);
    const store = await through(proxy.port);
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
          entries: [...entries, { at: laterBy(++serial), event: "order", names: [] }],
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
    expect(runs["commit"]).toBeGreaterThan(messages);
    await lock.release();
  });

  test("a run goes on when the server is restarted, and ends at a signal meanwhile", async () => {
    const { server, store, again } = await newState();
    const lock = await store.lock(lease, atOnce);
    const stopping = new AbortController();
    const stopped = await again({ signal: stopping.signal });
    await stopped.certificates.names();
    await server.stop();
    const waiting = stopped.certificates.names();
    setTimeout(() => stopping.abort(new Error("Ctrl-C")), 200);
    await expect(waiting).rejects.toThrow("Ctrl-C");
    const committed = commit(store, lock);
    await server.start();
    expect((await committed).version).toBe(1);
    await lock.release();
  });
}

export function secretCases(newState: NewState): void {
  test("no private key is stored in the clear", async () => {
    const { store, dump } = await newState();
    const keys = await Promise.all(
      ["01", "02", "03", "04", "05"].map(async (serial) => (await newVersion(serial)).privateKey),
    );
    const [account = "", next = "", order = "", announced = "", refused = ""] = keys;
    const created = await store.accounts.create({ id: "a", directory, key: account, contact: [] });
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
    const facts = { pem: "", why: "", directory, orderUrl, at: "" };
    await store.certificates.keepRefused("shop", { ...facts, privateKey: refused });
    await store.solverState("acme-dns").set("example.com", { password: "canary-of-acme-dns" });
    const lock = await store.lock(lease, atOnce);
    const [version, other] = [await newVersion("07"), await newVersion("08")];
    const meta = { ...version.meta, second: { ...other.meta, keyType: "rsa2048" as const } };
    await store.certificates.commit("shop", { ...version, meta, second: other }, lock);
    await lock.release();

    const text = await dump();
    expect(text).toContain("acmectl1.");
    const bodies = [...keys, version.privateKey, other.privateKey].flatMap((pem) =>
      pem.split("\n").slice(1, -2),
    );
    for (const line of ["PRIVATE KEY", "canary-of-acme-dns", ...bodies])
      expect(text).not.toContain(line);
    expect(await store.certificates.readPrivateKey("shop")).toBe(version.privateKey);
    expect(await store.certificates.readPrivateKey("shop", "rsa2048")).toBe(other.privateKey);
    expect(await store.journal.read("shop")).toMatchObject(pending);
    expect((await store.accounts.list())[0]).toMatchObject({ key: account, nextKey: next });
    expect(await store.check({ repair: false })).toEqual([]);
  });
}

/** Every secret, decrypted. */
async function secretsOf(store: Store) {
  return {
    accounts: (await store.accounts.list()).map(({ key }) => key),
    versions: (await store.certificates.versions("shop")).map(({ privateKey }) => privateKey),
    order: (await store.journal.read("shop"))?.privateKey,
    next: await store.certificates.readNextKey("shop", "ec256"),
    solvers: await store.solverValues(),
  };
}

/** `seals` is how often a text is encrypted for one write. */
export function rekeyCases(newState: NewState, seals: number): void {
  test("a rekey that is killed before any of its writes leaves every key readable, and the next one goes on", async () => {
    const old = randomBytes(32).toString("base64");
    const fresh = randomBytes(32).toString("base64");
    const { store, again } = await newState({ sealing: openSealing([old]) });
    await filledState(store);
    const lock = await store.lock(lease, atOnce);
    for (const serial of ["11", "12"]) await commit(store, lock, serial);
    await lock.release();
    const secrets = await secretsOf(store);
    const sealing = openSealing([fresh, old]);
    const both = await again({ sealing });
    let kills = 0;
    for (let isDone = false; !isDone && kills < 20;) {
      let count = 0;
      const dying: Sealing = {
        ...sealing,
        seal(text, what) {
          if (count++ === seals) throw new Error("killed");
          return sealing.seal(text, what);
        },
      };
      const rekeying = (await again({ sealing: dying })).rekey(never);
      isDone = (await Promise.allSettled([rekeying]))[0].status === "fulfilled";
      if (!isDone) kills += 1;
      expect(await secretsOf(both), `after ${kills} kills`).toEqual(secrets);
    }
    // One of each kind, and three versions.
    expect(kills).toBe(6);
    expect(await both.rekey(never)).toBe(0);
    expect(await secretsOf(await again({ sealing: openSealing([fresh]) }))).toEqual(secrets);
  });
}

/** The problem when a store is opened and read; undefined without one. */
export async function failureOf(opened: Promise<Store>): Promise<unknown> {
  return opened
    .then((store) => store.certificates.names())
    .then(() => undefined)
    .catch((error: unknown) => error);
}

export const machine = (message: RegExp, hint: RegExp) => ({
  exitCode: 3,
  message: expect.stringMatching(message),
  hint: expect.stringMatching(hint),
});
