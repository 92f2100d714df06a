/**
 * `npm run bench [-- WORD…]`: what acmectl costs, beside its peers and a lower bound, as ratios of medians of interleaved runs.
 * With words, only the tables whose title contains one of them. BENCH_ROUNDS sets the runs of each program. With `--write`, all
 * tables are also written to docs/benchmarks.md.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { mkdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { installServers } from "../support/servers/install.ts";
import { freePort } from "../support/servers/process.ts";
import { acmectl } from "./clients.ts";
import { issuance } from "./issuance.ts";
import { renewalInformation } from "./renewal-information.ts";
import { writeReport } from "./report.ts";
import { scenarios, titles } from "./scenarios.ts";
import { noneDueInPostgres, sharedTitles, workersInPostgres } from "./shared-state.ts";
import { installed, noneDue, startUp } from "./start-up.ts";
import { storedLike, type Stored } from "./stored.ts";

const words = process.argv.slice(2);
const writes = words.includes("--write");
const wanted = words.filter((word) => word !== "--write");
if (writes && wanted.length > 0) throw new Error("--write needs all tables: give no words.");
const rounds = Number(process.env["BENCH_ROUNDS"] ?? 9);
const isWanted = (title: string) =>
  wanted.length === 0 || wanted.some((word) => title.toLowerCase().includes(word.toLowerCase()));

await installServers({ benchmark: true });
const folder = await mkdtemp(join(tmpdir(), "acmectl-bench-"));
try {
  const tables: readonly [string, () => Promise<string>][] = [
    [titles.installed, () => installed()],
    [titles.start, async () => startUp(await oneStored(), rounds * 3)],
    [titles.noneDue, async () => noneDue(await oneStored(), await oneApplied(), rounds)],
    [titles.information, async () => renewalInformation(folder, rounds)],
    [sharedTitles.noneDue, () => noneDueInPostgres(folder, rounds)],
    [sharedTitles.workers, () => workersInPostgres(folder, rounds)],
    ...scenarios.map((one): [string, () => Promise<string>] => [
      one.title,
      () => issuance(one, folder, rounds),
    ]),
  ];
  const sections: string[] = [];
  for (const [title, make] of tables.filter(([title]) => isWanted(title))) {
    sections.push(`### ${title}\n\n${await make()}`);
    console.log(`${sections.at(-1)}\n`);
  }
  if (writes) await writeReport(sections, rounds);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** A certificate of the embedded CA, which is not asked for renewal information: this measures acmectl alone. */
async function oneStored(): Promise<Stored> {
  const state = join(folder, "one");
  const port = String(await freePort());
  const [file = "", ...args] = acmectl;
  const issue = ["issue", "-n", "-d", "one.example.test", "--server", "local", "--state", state];
  await promisify(execFile)(file, [...args, ...issue, "--standalone", "--standalone-port", port], {
    env: { HOME: folder },
  });
  return storedLike(state, "one.example.test", folder);
}

/** The same from a config, for `apply`. */
async function oneApplied() {
  const [state, own] = [join(folder, "applied"), join(folder, "of-config")];
  mkdirSync(own);
  const [domain, port] = ["one.example.test", await freePort()];
  const write = (name: string, names: readonly string[]) => {
    const config = join(own, `${name}.yaml`);
    const certificates = Object.fromEntries(names.map((one) => [one, { domains: [domain] }]));
    const solvers = { web: { use: "standalone", port } };
    const issuers = { local: { server: "local" } };
    writeFileSync(config, JSON.stringify({ issuers, solvers, certificates }));
    return config;
  };
  const [file = "", ...args] = acmectl;
  const words = ["apply", "-n", "--config", write("one", [domain]), "--state", state];
  await promisify(execFile)(file, [...args, ...words], { env: { HOME: folder } });
  const names = (count: number) =>
    Array.from({ length: count }, (_, index) => `n${index}.example.test`);
  return {
    ...storedLike(state, domain, own),
    configOf: (count: number) => write(`${count}`, names(count)),
  };
}
