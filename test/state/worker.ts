/** A process that commits versions of one certificate under its lease, and counts them in the status before: `worker.ts URL COUNT LEASE-TIME`. */
import { tmpdir } from "node:os";
import { systemClock } from "../../src/clock.ts";
import { messageOf } from "../../src/errors.ts";
import { openPostgresStore } from "../../src/state/postgres/postgres.ts";
import { openS3Store } from "../../src/state/s3/s3.ts";
import { indexEntryOf } from "../../src/renew/index-entry.ts";
import { openSealing } from "../../src/state/sealing.ts";
import { silentLog } from "../../src/testing.ts";
import { newVersion } from "./material.ts";

const [url = "", count = "1", leaseTime = "60000"] = process.argv.slice(2);
const signal = new AbortController().signal;
const open = url.startsWith("s3:") ? openS3Store : openPostgresStore;
const store = await open(url, {
  log: silentLog,
  clock: systemClock,
  env: process.env,
  cwd: "/",
  signal,
  mask: () => {},
  sealing: openSealing([], { plain: true }),
  files: tmpdir(),
  indexOf: indexEntryOf,
  leaseTime: Number(leaseTime),
});
const isPaused = leaseTime !== "60000";
for (let left = Number(count); left > 0; left--) {
  if (!isPaused)
    await store.certificates.updateStatus("shop", ({ failures, ...status }) => ({
      ...status,
      failures: failures + 1,
    }));
  const lock = await store.lock("certificate:shop", { wait: 60_000, signal });
  process.stdout.write("held\n");
  // A test stops the process here.
  if (isPaused) await new Promise((resolve) => process.stdin.once("data", resolve));
  try {
    await store.certificates.commit("shop", await newVersion("0a"), lock);
    process.stdout.write("committed\n");
  } catch (error) {
    process.stdout.write(`${messageOf(error)}\n`);
  }
  await lock.release();
}
process.exit();
