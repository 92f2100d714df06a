import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { openDatabase } from "../../src/state/postgres/database.ts";
import { placeOf } from "../../src/state/postgres/place.ts";
import { openSealing } from "../../src/state/sealing.ts";
import type { Lock, Store } from "../../src/state/store.ts";
import { silentLog } from "../../src/testing.ts";
import { storeCases, type OpenState } from "../state/cases.ts";
import { filledState } from "../state/filled.ts";
import { allOf, lateChanges, lockedAndFilled, takeAll } from "../state/late-changes.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { openAt, stateKey, type Opening } from "../state/postgres/state.ts";
import { never } from "../state/state.ts";
import { startWorker } from "../state/workers.ts";
import { startCuttingProxy } from "../support/cutting-proxy.ts";
import { available } from "../support/servers/catalog.ts";
import { startPgBouncer, type PgBouncer } from "../support/servers/pgbouncer.ts";
import {
  hasPostgres,
  startPostgres,
  startStandby,
  type Postgres,
} from "../support/servers/postgres.ts";
import { temporaryFolder } from "../support/state.ts";

const atOnce = { wait: 0, signal: never };
const lease = "certificate:shop";
const locked = { exitCode: 8 };
const randomKey = () => randomBytes(32).toString("base64");

describe.skipIf(!hasPostgres())("the store in PostgreSQL", () => {
  let server: Postgres;
  let pooler: PgBouncer | undefined;
  beforeAll(async () => {
    server = await startPostgres({ tls: true });
    if (available("pgbouncer")) pooler = await startPgBouncer(server);
  });
  afterAll(async () => {
    await pooler?.[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** Through PgBouncer in transaction mode, where there is one. */
  const open: OpenState = async (clock) => {
    const database = await server.createDatabase();
    const url = (pooler ?? server).url(database);
    const folder = await temporaryFolder("acmectl-files-");
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const first = await openAt(url, { clock, files: folder.path });
    await first.init();
    const stores = await Promise.all(
      Array.from({ length: 12 }, () => openAt(url, { clock, files: folder.path })),
    );
    return () => stores.pop() ?? first;
  };
  describe("behind PgBouncer", () => {
    test.each(storeCases)("$name", ({ run }) => run(open));
  });

  /** A state with one certificate that was asked for. */
  async function newState(tools: Opening = {}) {
    const database = await server.createDatabase();
    const url = server.url(database);
    const store = await openAt(url, tools);
    await store.init();
    await store.certificates.saveRequest(requestOf("shop"));
    const query = (sql: string) => server.query(database, sql);
    const again = (more: Opening = {}) => openAt(url, { ...tools, ...more });
    return { database, url, store, query, again };
  }
  const expire = "UPDATE acmectl.leases SET expires_at = now() - interval '1 second'";
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
      const { store, again, query } = await newState();
      const lost = await store.lock(lease, atOnce);
      await store.journal.write(pendingOf("first"));
      await query(expire);
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
      expect(await heldOf(other)).toBeUndefined();
      await taken.release();
    });

    test("a run that lost its leases changes nothing that they protect", async () => {
      const { store, again, query } = await newState();
      const filled = await lockedAndFilled(store);
      await query(expire);
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
      const { store, query } = await newState();
      const lock = await store.lock(lease, atOnce);
      await query(expire);
      await expect(commit(store, lock)).rejects.toThrow(/lost the lease .*: it has ended/);
      expect(await heldOf(store)).toBeUndefined();
    });

    test("heartbeats keep a lease for longer than its time", async () => {
      const { store, again } = await newState({ leaseTime: 2000 });
      const lock = await store.lock(lease, atOnce);
      await sleep(4500);
      await lock.assertHeld();
      await expect((await again()).lock(lease, atOnce)).rejects.toMatchObject(locked);
      await lock.release();
    });

    test("the lease of a process that has died on this host is taken at once", async () => {
      const { store, again, query } = await newState();
      await store.lock(lease, atOnce);
      await query(
        `UPDATE acmectl.leases SET holder = (holder::jsonb || '{"startTime":"1"}')::json`,
      );
      await (await (await again()).lock(lease, atOnce)).release();
    });

    test("a worker that was stopped past its lease commits nothing and says so", async () => {
      const { store, url } = await newState({ leaseTime: 2000 });
      const worker = startWorker([url, "1", "2000"]);
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

    test("eight processes commit one after the other, each under a greater token", async () => {
      const { store, url, query } = await newState();
      const workers = Array.from({ length: 8 }, () => startWorker([url, "2"]));
      await Promise.all(workers.map(({ child }) => once(child, "exit")));
      for (const { output } of workers) expect(output()).not.toContain("lost");
      expect((await heldOf(store))?.version).toBe(16);
      const rows = await query("SELECT fence FROM acmectl.versions ORDER BY version");
      const fences = rows.map(({ fence }) => Number(fence));
      expect(fences).toEqual(fences.toSorted((a, b) => a - b));
      expect(new Set(fences).size).toBe(fences.length);
    });
  });

  describe("due work", () => {
    const now = new Date();
    const soon = { due: new Date(now.getTime() + 60_000), look: new Date(now.getTime() + 60_000) };
    const named = async (store: Store) =>
      (await Array.fromAsync(store.certificates.due(soon))).map(({ name }) => name);
    const day = 86_400_000;

    test("the index follows what is committed, known and asked for", async () => {
      const { store, query } = await newState();
      // A first attempt that was never issued counts only when it is named.
      expect(await named(store)).toEqual([]);
      expect(await query("SELECT due FROM acmectl.certificates")).toEqual([{ due: null }]);
      const lock = await store.lock(lease, atOnce);
      const version = await newVersion("01");
      const times = {
        identifiers: requestOf("shop").identifiers,
        notBefore: now.toISOString(),
        issuedAt: now.toISOString(),
        notAfter: new Date(now.getTime() + 90 * day).toISOString(),
      };
      const meta = { ...version.meta, ...times };
      await store.certificates.commit("shop", { ...version, meta }, lock);
      await lock.release();
      const next = await store.certificates.nextDue(now);
      expect(next?.name).toBe("shop");
      expect((next?.at.getTime() ?? 0) - now.getTime()).toBeGreaterThan(59 * day);
      expect(await named(store)).toEqual([]);
      const revoked = { fingerprint: meta.fingerprint, at: now.toISOString(), reason: "" };
      await store.certificates.updateStatus("shop", (status) => ({ ...status, revoked }));
      expect(await named(store)).toEqual(["shop"]);
      await store.certificates.updateStatus("shop", (status) => {
        const changed = { ...status };
        delete changed.revoked;
        return changed;
      });
      expect(await named(store)).toEqual([]);
      // What an earlier release has written, and a request that is another one now.
      await query("UPDATE acmectl.certificates SET due = '-infinity'");
      expect(await named(store)).toEqual([]);
      expect((await store.certificates.nextDue(now))?.at).toEqual(next?.at);
      await store.certificates.saveRequest({ ...requestOf("shop"), keyType: "rsa2048" });
      expect(await named(store)).toEqual(["shop"]);
    });

    test("each certificate is claimed by one of four workers, without waiting", async () => {
      const { store, again, query } = await newState();
      await query(`INSERT INTO acmectl.certificates (name, request, status, revision, due)
        SELECT 'n' || i, request, status, 'x', now() FROM acmectl.certificates, generate_series(1, 40) AS i`);
      const names = Array.from({ length: 40 }, (_, index) => `n${index + 1}`);
      const workers = [store, await again(), await again(), await again()];
      const claimed = await Promise.all(
        workers.map(async (worker) => {
          const own: string[] = [];
          for (;;) {
            const claim = await worker.claim(names, soon.due);
            if (claim === undefined) return own;
            own.push(claim.name);
          }
        }),
      );
      expect(claimed.flat().toSorted()).toEqual(names.toSorted());
      expect(claimed.filter((own) => own.length > 0)).toHaveLength(4);
      await query(expire);
      expect((await workers[1]?.claim(["n7"], soon.due))?.name).toBe("n7");
      await query("UPDATE acmectl.certificates SET due = now() + interval '1 day'");
      await query(expire);
      expect(await workers[2]?.claim(names, soon.due)).toBeUndefined();
      expect((await workers[2]?.claim(names, undefined))?.name).toBe("n1");
    });

    test("four processes keep the limits of a CA together", async () => {
      const { url } = await newState();
      const workers = Array.from({ length: 4 }, () =>
        startWorker([url], {}, "postgres/reserver.ts"),
      );
      await Promise.all(workers.map(({ child }) => once(child, "exit")));
      const got = workers.map(({ output }) => Number(/got (\d+)/.exec(output())?.[1]));
      expect(
        got.reduce((sum, one) => sum + one, 0),
        String(got),
      ).toBe(20);
    });
  });

  describe("connections", () => {
    test("the server ends a transaction whose run is paused before the run's leases end", async () => {
      const url = (pooler ?? server).url(await server.createDatabase());
      const tools = { clock: systemClock, log: silentLog, signal: never };
      const place = await placeOf(url, { ...tools, env: {}, cwd: "/", mask: () => {} });
      const database = openDatabase(place, tools);
      const show = "SHOW idle_in_transaction_session_timeout";
      const limit = { idle_in_transaction_session_timeout: "30s" };
      expect(await database.transaction(({ rows }) => rows(show))).toEqual([limit]);
      await database.end();
    });

    test("what is cut off at any message is done exactly once", async () => {
      const { database, store: direct } = await newState();
      await using proxy = await startCuttingProxy(server.port);
      const url = server.url(database).replace(`:${server.port}/`, `:${proxy.port}/`);
      const store = await openAt(url);
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
      expect(runs["commit"]).toBeGreaterThan(8);
      await lock.release();
    });

    test("changes are made once when an administrator ends connections meanwhile", async () => {
      const { database, store, again } = await newState();
      const stores = [store, await again()];
      const changes = Array.from({ length: 40 }, async (_, index) =>
        stores[index % 2]?.certificates.updateStatus("shop", (status) => ({
          ...status,
          failures: status.failures + 1,
        })),
      );
      for (let left = 5; left > 0; left--) {
        await sleep(20);
        await server.terminate(database);
      }
      await Promise.all(changes);
      expect((await store.certificates.read("shop"))?.status.failures).toBe(40);
    });

    test("a commit goes on at the standby that is promoted in the middle of it", async () => {
      const { database, query } = await newState();
      await using standby = await startStandby(server);
      const hosts = `127.0.0.1:${server.port},127.0.0.1:${standby.port}`;
      const url = server.url(database).replace(`127.0.0.1:${server.port}`, hosts);
      const store = await openAt(`${url}?target_session_attrs=read-write`);
      const lock = await store.lock(lease, atOnce);
      await standby.caughtUp();
      // The lease of the row is locked, so that the commit waits in its transaction.
      const blocked = query("BEGIN; SELECT * FROM acmectl.leases FOR UPDATE; SELECT pg_sleep(60)");
      blocked.catch(() => undefined);
      const committed = commit(store, lock);
      await sleep(200);
      await server.stop();
      await standby.query("postgres", "SELECT pg_promote()");
      expect((await committed).version).toBe(1);
      await lock.release();
      const rows = await standby.query(database, "SELECT held FROM acmectl.certificates");
      expect(rows).toEqual([{ held: 1 }]);
      await server.start();
    });

    test("a run goes on when the server is restarted", async () => {
      const { store, url } = await newState();
      const lock = await store.lock(lease, atOnce);
      const stopping = new AbortController();
      const stopped = await openAt(url, { signal: stopping.signal });
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
  });

  describe("problems", () => {
    const failure = async (url: string, tools: Opening = {}) => {
      const opened = openAt(url, tools).then((store) => store.certificates.names());
      const problem: unknown = await opened.then(() => undefined).catch((error: unknown) => error);
      return problem;
    };
    const machine = (message: RegExp, hint: RegExp) => ({
      exitCode: 3,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });

    test("each says what is wrong with the server and what to do", async () => {
      const { database, url, query } = await newState();
      const as = (name: string, password: string) => server.url(database, { name, password });
      const empty = server.url(await server.createDatabase());
      const found = await Promise.all([
        failure(as("postgres", "wrong")),
        failure(`postgres://postgres@127.0.0.1:${server.port}/${database}`),
        failure(server.url("nowhere")),
        failure(url.replace(`:${server.port}/`, ":1/")),
        failure(empty),
      ]);
      expect(found).toMatchObject([
        machine(/refuses the password of postgres/, /PGPASSWORD/),
        machine(/asks for a password of postgres, and none was found/, /PGPASSWORD/),
        machine(/has no database nowhere/, /createdb/),
        machine(/127\.0\.0\.1:1 is not reached: connection refused/, /host and port/),
        machine(/has no acmectl tables yet/, /acmectl state init --state postgres:/),
      ]);
      expect(String(found[0])).not.toContain("wrong");
      await query("INSERT INTO acmectl.migrations (number, name) VALUES (99, 'future')");
      expect(await failure(url)).toMatchObject(machine(/by a newer acmectl/, /Use that version/));
    });

    test("a user with the documented rights can work, and one without is told which are missing", async () => {
      const { database, store, query } = await newState();
      const user = { name: "acmectl_worker", password: "worker-password" };
      await query(`CREATE ROLE ${user.name} LOGIN PASSWORD '${user.password}'`);
      const url = server.url(database, user);
      expect(await failure(url)).toMatchObject(machine(/rights/, /GRANT/));
      const { grants } = await store.init();
      await query("GRANT USAGE ON SCHEMA acmectl TO acmectl_worker");
      await query("GRANT SELECT ON acmectl.migrations TO acmectl_worker");
      await expect((await openAt(url)).checkWritable()).rejects.toThrow(/rights.*: accounts, /);
      await query("CREATE ROLE acmectl_host");
      for (const grant of grants) await query(grant);
      const worker = await openAt(url);
      await worker.checkWritable();
      const lock = await worker.lock(lease, atOnce);
      expect((await commit(worker, lock)).version).toBe(1);
      await worker.pendingHooks.add("run", { run: "true" });
      await lock.release();
    });

    test("the server's certificate is verified", async () => {
      const { url } = await newState();
      const root = server.tls?.rootFile;
      const verified = `${url}?sslmode=verify-full&sslrootcert=${root}`;
      expect(await failure(verified)).toBeUndefined();
      expect(await failure(verified.replace("127.0.0.1", "localhost"))).toBeUndefined();
      expect(await failure(`${url}?sslmode=verify-full`)).toMatchObject(
        machine(/TLS certificate is not accepted/, /sslrootcert/),
      );
      expect(await failure(`${url}?sslmode=require`)).toBeUndefined();
    });
  });

  describe("secrets", () => {
    test("all secrets are encrypted with a new key while the old one is still in use, also after a stop", async () => {
      const [old, fresh] = [randomKey(), randomKey()];
      const { url, store } = await newState({ sealing: openSealing([old]) });
      await filledState(store);
      const version = await newVersion("07");
      const second = await newVersion("08");
      const meta = { ...version.meta, second: { ...second.meta, keyType: "rsa2048" as const } };
      const lock = await store.lock(lease, atOnce);
      await store.certificates.commit("shop", { ...version, meta, second }, lock);
      await lock.release();
      const [account] = await store.accounts.list();
      if (account !== undefined) await store.accounts.beginRollover(account, second.privateKey);
      const refused = { pem: "", why: "", directory: "d", orderUrl: "o", at: "" };
      await store.certificates.keepRefused("shop", { ...refused, privateKey: version.privateKey });

      const both = await openAt(url, { sealing: openSealing([fresh, old]) });
      const stop = new AbortController();
      stop.abort();
      await expect(both.rekey(stop.signal)).rejects.toThrow(/abort/);
      expect(await both.rekey(never)).toBe(9);
      expect(await both.rekey(never)).toBe(0);
      const alone = await openAt(url, { sealing: openSealing([fresh]) });
      expect((await alone.certificates.versions("shop")).at(-1)?.second?.privateKey).toBe(
        second.privateKey,
      );
      expect(await alone.certificates.refused("shop")).toMatchObject([
        { privateKey: version.privateKey },
      ]);
      expect((await alone.accounts.list())[0]?.nextKey).toBe(second.privateKey);
      expect((await alone.journal.read("shop"))?.privateKey).toContain("PRIVATE KEY");
      expect(await alone.solverValues()).toHaveLength(1);
      expect(await alone.certificates.readNextKey("shop", "ec256")).toContain("PRIVATE KEY");
      await expect(store.accounts.list()).rejects.toThrow(/encrypted with the state key/);
      const none = await openAt(url, { sealing: openSealing([], { plain: true }) });
      await expect(none.rekey(never)).rejects.toMatchObject({ exitCode: 2 });
    });

    test("a dump of the database has no private key in the clear", async () => {
      const { database, store } = await newState();
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
      await store.journal.write({
        ...pendingOf("x"),
        privateKey: order,
        second: { ...pendingOf("y"), privateKey: order },
        others: [{ ...pendingOf("z"), privateKey: next }],
      });
      await store.certificates.saveNextKey("shop", "ec256", announced);
      const orderUrl = "https://acme.example.org/order/1";
      await store.certificates.keepRefused("shop", {
        pem: "",
        privateKey: refused,
        why: "",
        directory: at,
        orderUrl,
        at: "",
      });
      await store.solverState("acme-dns").set("example.com", { password: "canary-of-acme-dns" });
      const lock = await store.lock(lease, atOnce);
      const [version, other] = [await newVersion("07"), await newVersion("08")];
      const meta = { ...version.meta, second: { ...other.meta, keyType: "rsa2048" as const } };
      await store.certificates.commit("shop", { ...version, meta, second: other }, lock);
      await lock.release();

      const dump = await server.dump(database);
      expect(dump).toContain("acmectl1.");
      const bodies = [...keys, version.privateKey, other.privateKey].flatMap((pem) =>
        pem.split("\n").slice(1, -2),
      );
      for (const line of ["PRIVATE KEY", "canary-of-acme-dns", ...bodies])
        expect(dump).not.toContain(line);
      expect(await store.certificates.readPrivateKey("shop")).toBe(version.privateKey);
      expect(await store.certificates.readPrivateKey("shop", "rsa2048")).toBe(other.privateKey);
      expect(await store.journal.read("shop")).toMatchObject({
        privateKey: order,
        second: { privateKey: order },
        others: [{ privateKey: next }],
      });
      expect((await store.accounts.list())[0]).toMatchObject({ key: account, nextKey: next });
      expect(await store.check({ repair: false })).toEqual([]);
    });

    test("keys can be rotated, and a key that was moved to another certificate is refused", async () => {
      const { store, again, query } = await newState();
      const lock = await store.lock(lease, atOnce);
      await commit(store, lock);
      await lock.release();
      const fresh = Buffer.alloc(32, 7).toString("base64");
      const rotated = await again({ sealing: openSealing([fresh, stateKey]) });
      expect(await rotated.certificates.readPrivateKey("shop")).toContain("PRIVATE KEY");
      const stranger = await again({ sealing: openSealing([fresh]) });
      await expect(stranger.certificates.readPrivateKey("shop")).rejects.toThrow(
        /encrypted with the state key [0-9a-f]{16}, and it is not among the state keys/,
      );
      expect(await stranger.check({ repair: false })).toMatchObject([{ where: "shop" }]);
      await query(
        "UPDATE acmectl.versions SET version = 2; UPDATE acmectl.certificates SET held = 2",
      );
      await expect(store.certificates.readPrivateKey("shop")).rejects.toThrow(
        /cannot be decrypted/,
      );
    });

    test("state check finds a certificate with another's key, and keys of no certificate", async () => {
      const { store, query } = await newState({ sealing: openSealing([], { plain: true }) });
      const lock = await store.lock(lease, atOnce);
      await commit(store, lock);
      await lock.release();
      const { privateKey } = await newVersion("02");
      await query(`UPDATE acmectl.versions SET private_key = '${privateKey}'`);
      await store.certificates.saveNextKey("gone", "ec256", privateKey);
      expect(await store.check({ repair: true })).toMatchObject([
        { where: "shop", fault: "version 1: privkey.pem is not the key of cert.pem" },
        { where: "acmectl.next_keys", done: "removed" },
      ]);
      expect(await store.check({ repair: false })).toHaveLength(1);
    });
  });
});
