/** Only when it is asked for, since it takes minutes: `npm run fleet` has 500 certificates, kills a worker every two seconds, and gives each worker a host of its own. */
import { describe, expect, test } from "vitest";
import { fleetCase, type FleetSize } from "../state/shared/fleet.ts";
import { available } from "../support/servers/catalog.ts";
import { hasPostgres, startPostgres } from "../support/servers/postgres.ts";
import { startS3 } from "../support/servers/s3.ts";

const full = Number(process.env["FLEET_CERTIFICATES"] ?? 0);
/** Below 100, workers are killed at some of the finalizations, so that time does not matter. */
const size: FleetSize =
  full < 100
    ? { certificates: full, isolated: false }
    : { certificates: full, killEvery: 2000, isolated: true };
const timeout = 1_800_000;

const title = "four workers on three hosts renew each certificate once, though workers are killed";

describe.skipIf(full === 0 || !available("pebble"))("a fleet", { timeout, retry: 0 }, () => {
  test.skipIf(!hasPostgres())(`${title} and PostgreSQL restarts`, async () => {
    await using server = await startPostgres();
    const url = server.url(await server.createDatabase()).replace(`:${server.password}@`, "@");
    report(await fleetCase({ server, url, env: { PGPASSWORD: server.password } }, size));
  });

  test.skipIf(!available("versitygw"))(`${title} and the S3 server restarts`, async () => {
    await using server = await startS3();
    const url = server.url(await server.createBucket());
    report(await fleetCase({ server, url, env: server.keys }, size));
  });
});

function report(found: Awaited<ReturnType<typeof fleetCase>>): void {
  console.log(JSON.stringify(found, undefined, 2));
  expect(found.kills).toBeGreaterThan(2);
  expect(found.restarts).toBe(2);
}
