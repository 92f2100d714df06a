/** Runs that wait for each other in PostgreSQL: woken by its notices, or by looking again behind a pooler. */
import { randomBytes } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openSealing } from "../../src/state/sealing.ts";
import type { Store } from "../../src/state/store.ts";
import { available } from "../support/servers/catalog.ts";
import { startPgBouncer } from "../support/servers/pgbouncer.ts";
import { hasPostgres, startPostgres, type Postgres } from "../support/servers/postgres.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { openAt } from "../state/shared/state.ts";
import { never } from "../state/state.ts";

const day = 86_400_000;

describe.skipIf(!hasPostgres())("notices between runs", () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function twoStores(urlOf: (database: string) => string) {
    const database = await server.createDatabase();
    const debug: string[] = [];
    const log = { debug: (text: string) => debug.push(text), info: () => {}, warn: () => {} };
    const first = await openAt(server.url(database));
    await first.init();
    return { database, first, second: await openAt(urlOf(database), { log }), debug };
  }

  /** Milliseconds from the release of a lease to the moment at which another run has it, after a wait of this long. */
  async function wakes(first: Store, second: Store, waited: number): Promise<number> {
    const name = "certificate:shop";
    const lock = await first.lock(name, { wait: 0, signal: never });
    const waiting = second.lock(name, { wait: 20_000, signal: never });
    await sleep(waited);
    await lock.release();
    const from = performance.now();
    const taken = await waiting;
    const time = performance.now() - from;
    await taken.release();
    return time;
  }

  const listeners = (database: string) =>
    server.query(
      database,
      `SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = '${database}'`,
    );

  test("a run that waits for a lease gets it as soon as it is given back, and keeps no connection", async () => {
    const { database, first, second, debug } = await twoStores((name) => server.url(name));
    const times: number[] = [];
    for (const waited of [700, 900, 1100]) times.push(await wakes(first, second, waited));
    // Looking every half second takes 250 ms on average.
    expect(Math.min(...times), `${times.map(Math.round).join(", ")} ms`).toBeLessThan(100);
    expect(debug).toEqual([]);
    await expect.poll(() => listeners(database)).toEqual([]);

    // A short wait opens none.
    await wakes(first, second, 20);
    expect(await listeners(database)).toEqual([]);
  });

  test("a connection that an administrator ends is made again", async () => {
    const { database, first } = await twoStores((name) => server.url(name));
    let commits = 0;
    const stop = first.certificates.onCommit?.(() => (commits += 1));
    onTestFinished(stop ?? (() => undefined));
    await expect.poll(() => commits).toBe(1);
    await server.terminate(database).catch(() => undefined);
    await expect.poll(() => commits, { timeout: 8_000 }).toBe(2);
    expect(await listeners(database)).toHaveLength(1);
    stop?.();
    await expect.poll(() => listeners(database)).toEqual([]);
  });

  test.skipIf(!available("pgbouncer"))(
    "behind PgBouncer in transaction mode a run looks again, and listens on no connection of others",
    async () => {
      await using pooler = await startPgBouncer(server);
      const { database, first, second, debug } = await twoStores((name) => pooler.url(name));
      for (const waited of [300, 600])
        expect(await wakes(first, second, waited)).toBeLessThan(2_000);
      expect(debug).toEqual([expect.stringMatching(/^a pooler is in front of the database/)]);
      expect(await listeners(database)).toEqual([]);
      // What a run behind it gives back, wakes those that are not.
      await second.init();
      const times = [await wakes(second, first, 700), await wakes(second, first, 900)];
      expect(Math.min(...times)).toBeLessThan(150);
    },
  );

  test("the service pulls a version as soon as another run has committed it", async () => {
    const key = randomBytes(32).toString("base64");
    const database = await server.createDatabase();
    const store = await openAt(server.url(database), { sealing: openSealing([key]) });
    await store.init();
    const { path: folder, ...disposable } = await temporaryFolder();
    onTestFinished(() => disposable[Symbol.asyncDispose]());
    const commit = async (serial: string) => {
      await store.certificates.saveRequest(requestOf("shop"));
      const lock = await store.lock("certificate:shop", { wait: 5_000, signal: never });
      const midnight = Math.floor(Date.now() / day) * day;
      const [notBefore, notAfter] = [midnight, midnight + 90 * day].map((time) =>
        new Date(time).toISOString(),
      );
      const version = await newVersion(serial, { notBefore: notBefore!, notAfter: notAfter! });
      await store.certificates.commit("shop", version, lock);
      await lock.release();
    };
    await commit("01");
    const config = join(folder, "config.yaml");
    await writeFile(config, "pull: { all: {} }\n");
    const running = acmectl(["run", "--state", server.url(database), "--config", config], {
      env: { HOME: folder, ACMECTL_STATE_FILES: join(folder, "files"), ACMECTL_STATE_KEY: key },
      excused: { "exit code 0 means that the goal is met": "the state is in a database" },
    });
    const certificate = join(folder, "files/certificates/shop/current/fullchain.pem");
    const read = () => readFile(certificate, "utf8").catch(() => "");
    await expect.poll(read, { timeout: 15_000 }).toContain("CERTIFICATE");
    await expect.poll(() => listeners(database), { timeout: 5_000 }).toHaveLength(1);
    const before = await read();
    const from = performance.now();
    await commit("02");
    await expect.poll(read, { timeout: 15_000 }).not.toBe(before);
    expect(performance.now() - from).toBeLessThan(10_000);
    running.child.kill("SIGTERM");
    expect(await running.ended).toMatchObject({ code: 0 });
    await expect.poll(() => listeners(database)).toEqual([]);
  });
});
