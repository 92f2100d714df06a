/**
 * `npm run bench [-- WORD…]`: what acmectl costs, beside its peers and a lower bound, as ratios of medians of interleaved runs.
 * With words, only the tables whose title holds one of them. BENCH_ROUNDS sets the runs of each program.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../support/servers/process.ts";
import { acmectl } from "./clients.ts";
import { issuance, scenarios } from "./issuance.ts";
import { noneDue, startUp } from "./start-up.ts";
import { storedLike, type Stored } from "./stored.ts";

const wanted = process.argv.slice(2);
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 9);
const isWanted = (title: string) =>
  wanted.length === 0 || wanted.some((word) => title.includes(word));

const folder = await mkdtemp(join(tmpdir(), "acmectl-bench-"));
try {
  const tables: readonly [string, () => Promise<string>][] = [
    ["start", async () => startUp(await oneStored(), rounds * 3)],
    ["none due", async () => noneDue(await oneStored(), rounds)],
    ...scenarios.map((one): [string, () => Promise<string>] => [
      one.title,
      () => issuance(one, folder, rounds),
    ]),
  ];
  for (const [title, make] of tables) {
    if (isWanted(title)) console.log(`${await make()}\n`);
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** A certificate of the embedded CA, which tells when to ask again. */
async function oneStored(): Promise<Stored> {
  const state = join(folder, "one");
  const port = String(await freePort());
  const [file = "", ...words] = acmectl;
  const issue = ["issue", "-n", "-d", "one.example.test", "--server", "local", "--state", state];
  await promisify(execFile)(file, [...words, ...issue, "--standalone", "--standalone-port", port], {
    env: { HOME: folder },
  });
  return storedLike(state, "one.example.test", folder);
}
