/** A process that asks ten times for room of a CA's limits: `reserver.ts URL`. Says how often it got it. */
import { tmpdir } from "node:os";
import { systemClock } from "../../../src/clock.ts";
import { openDesk } from "../../../src/issuer/desk.ts";
import { Problem } from "../../../src/problem.ts";
import { indexEntryOf } from "../../../src/renew/index-entry.ts";
import { openPostgresStore } from "../../../src/state/postgres/postgres.ts";
import { openSealing } from "../../../src/state/sealing.ts";
import { silentLog } from "../../../src/testing.ts";

const [url = ""] = process.argv.slice(2);
const signal = new AbortController().signal;
const store = await openPostgresStore(url, {
  log: silentLog,
  clock: systemClock,
  env: {},
  cwd: "/",
  signal,
  mask: () => {},
  sealing: openSealing([], { plain: true }),
  files: tmpdir(),
  indexOf: indexEntryOf,
});
const limits = { ordersPerAccount: { most: 20, per: 7 * 86_400_000 } };
const desk = openDesk("https://acme.example.org/directory", {
  limits,
  store,
  clock: systemClock,
  log: silentLog,
});
let got = 0;
const asking = { account: "https://acme.example.org/acct/1", names: ["a.example"] };
await Promise.all(
  Array.from({ length: 10 }, async () => {
    try {
      await desk.reserve("order", asking, ["ordersPerAccount"], signal);
      got += 1;
    } catch (error) {
      if (!Problem.is(error)) throw error;
    }
  }),
);
process.stdout.write(`got ${got}\n`);
process.exit();
