import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { openDatabase } from "../../src/state/postgres/database.ts";
import { placeOf } from "../../src/state/postgres/place.ts";
import { openSealing } from "../../src/state/sealing.ts";
import type { Store } from "../../src/state/store.ts";
import { silentLog } from "../../src/testing.ts";
import { storeCases, type OpenState } from "../state/cases.ts";
import { filledState } from "../state/filled.ts";
import { newVersion, requestOf } from "../state/material.ts";
import {
  atOnce,
  commit,
  connectionCases,
  eightWorkers,
  failureOf,
  lease,
  leaseCases,
  machine,
  rekeyCases,
  secretCases,
} from "../state/shared/cases.ts";
import { openAt, stateKey, type Opening } from "../state/shared/state.ts";
import { never } from "../state/state.ts";
import { startWorker } from "../state/workers.ts";
import { testClock } from "../support/clock.ts";
import { available } from "../support/servers/catalog.ts";
import { startPgBouncer, type PgBouncer } from "../support/servers/pgbouncer.ts";
import {
  hasPostgres,
  startPostgres,
  startStandby,
  type Postgres,
} from "../support/servers/postgres.ts";
import { temporaryFolder } from "../support/state.ts";

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
    return {
      server,
      database,
      url,
      env: {},
      store,
      query,
      again: (more: Opening = {}) => openAt(url, { ...tools, ...more }),
      through: (port: number) => openAt(url.replace(`:${server.port}/`, `:${port}/`)),
      endLeases: () => query("UPDATE acmectl.leases SET expires_at = now() - interval '1 second'"),
      endHolder: () =>
        query(`UPDATE acmectl.leases SET holder = (holder::jsonb || '{"startTime":"1"}')::json`),
      dump: () => server.dump(database),
    };
  }
  describe("leases", () => {
    leaseCases(newState);

    test("eight processes commit one after the other, each under a greater token", async () => {
      const state = await newState();
      await eightWorkers(state, 2);
      const rows = await state.query("SELECT fence FROM acmectl.versions ORDER BY version");
      const fences = rows.map(({ fence }) => Number(fence));
      expect(fences).toEqual(fences.toSorted((a, b) => a - b));
      expect(new Set(fences).size).toBe(fences.length);
    });
  });

  describe("due work", () => {
    // Far from the server's own time: the index is by the clock of the run.
    const now = new Date("2026-03-01T12:00:00Z");
    const soon = { due: new Date(now.getTime() + 60_000), look: new Date(now.getTime() + 60_000) };
    const named = async (store: Store) =>
      (await Array.fromAsync(store.certificates.due(soon))).map(({ name }) => name);
    const day = 86_400_000;

    test("the index follows what is committed, known and asked for", async () => {
      const { store, query } = await newState({ clock: testClock(now) });
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
      const { store, again, query, endLeases } = await newState();
      await query(`INSERT INTO acmectl.certificates (name, request, status, revision, due)
        SELECT 'n' || i, request, status, 'x', '${now.toISOString()}' FROM acmectl.certificates, generate_series(1, 40) AS i`);
      const names = Array.from({ length: 40 }, (_, index) => `n${index + 1}`);
      // A worker that is in the middle of a change of n40.
      const slow = "BEGIN; SELECT FROM acmectl.certificates WHERE name = 'n40' FOR UPDATE";
      const slowed = query(`${slow}; SELECT pg_sleep(600)`).catch(() => undefined);
      await expect
        .poll(() => query("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        .toHaveLength(1);
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
      expect(claimed.flat().toSorted()).toEqual(names.slice(0, -1).toSorted());
      await query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
      );
      await slowed;
      await endLeases();
      expect((await workers[1]?.claim(["n7"], soon.due))?.name).toBe("n7");
      await query("UPDATE acmectl.certificates SET due = '2026-03-02'");
      await endLeases();
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
      expect(await database.transaction((statements) => statements.rows(show))).toEqual([limit]);
      await database.end();
    });

    connectionCases(newState, 8);

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
  });

  describe("problems", () => {
    const failureAt = (url: string) => failureOf(openAt(url));

    test("each says what is wrong with the server and what to do", async () => {
      const { database, url, query } = await newState();
      const as = (name: string, password: string) => server.url(database, { name, password });
      const empty = server.url(await server.createDatabase());
      const found = await Promise.all([
        failureAt(as("postgres", "wrong")),
        failureAt(`postgres://postgres@127.0.0.1:${server.port}/${database}`),
        failureAt(server.url("nowhere")),
        failureAt(url.replace(`:${server.port}/`, ":1/")),
        failureAt(empty),
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
      expect(await failureAt(url)).toMatchObject(machine(/by a newer acmectl/, /Use that version/));
    });

    test("a user with the documented rights can work, and one without is told which are missing", async () => {
      const { database, store, query } = await newState();
      const user = { name: "acmectl_worker", password: "worker-password" };
      await query(`CREATE ROLE ${user.name} LOGIN PASSWORD '${user.password}'`);
      const url = server.url(database, user);
      expect(await failureAt(url)).toMatchObject(machine(/rights/, /GRANT/));
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
      expect(await failureAt(verified)).toBeUndefined();
      expect(await failureAt(verified.replace("127.0.0.1", "localhost"))).toBeUndefined();
      expect(await failureAt(`${url}?sslmode=verify-full`)).toMatchObject(
        machine(/TLS certificate is not accepted/, /sslrootcert/),
      );
      expect(await failureAt(`${url}?sslmode=require`)).toBeUndefined();
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

    secretCases(newState);
    rekeyCases(newState, 1);

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
