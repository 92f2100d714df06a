/** What an installation, starting, and certificates cost of which none is due. */
import { execFile } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { markdownTable } from "../support/markdown.ts";
import { acmectl } from "./clients.ts";
import { costOf, measure, table, type Measured, type Program } from "./measure.ts";
import type { Stored } from "./stored.ts";

/** The floor. */
export const empty: Program = { name: "`node -e 0`", prepare: () => [process.execPath, "-e", "0"] };

/** What npm would install. */
export async function installed(): Promise<string> {
  const pack = ["pack", "--dry-run", "--json", "--ignore-scripts"];
  const { stdout } = await promisify(execFile)("npm", pack);
  const [packed]: { unpackedSize: number; entryCount: number }[] = JSON.parse(stdout);
  const megabytes = ((packed?.unpackedSize ?? Number.NaN) / 1e6).toFixed(1);
  const row = ["acmectl", megabytes, `${packed?.entryCount}`, "none"];
  return markdownTable(["", "unpacked, MB", "files", "dependencies"], [row]);
}

export async function startUp(stored: Stored, rounds: number): Promise<string> {
  const state = stored.with(10);
  const run = (...words: readonly string[]): Program => ({
    name: `\`${words.join(" ")}\``,
    env: environment(stored),
    prepare: () => [...acmectl, ...words, "--state", state],
  });
  const version = { ...run("--version"), prepare: () => [...acmectl, "--version"] };
  const programs = [empty, version, run("--help"), run("list"), run("plan"), run("renew")];
  return table(await measure(programs, rounds));
}

/** `applied` came from a config, which `configOf` writes for so many. */
export async function noneDue(
  stored: Stored,
  applied: Stored & { configOf(count: number): string },
  rounds: number,
): Promise<string> {
  const runs: Program[] = [];
  for (const count of [1_000, 10_000]) {
    const state = stored.with(count);
    await firstNight(stored, state);
    for (const words of [["renew", "--no-jitter"], ["list", "--json"], ["plan"]]) {
      runs.push({
        name: `\`${words[0]}\`, ${count.toLocaleString("en")} certificates`,
        env: environment(stored),
        prepare: () => [...acmectl, ...words, "--state", state],
      });
    }
    const ofConfig = ["--config", applied.configOf(count), "--state", applied.with(count)];
    await run(stored, ["apply", "-n", ...ofConfig]);
    runs.push({
      name: `\`apply\`, ${count.toLocaleString("en")} certificates`,
      env: environment(stored),
      prepare: () => [...acmectl, "apply", "-n", ...ofConfig],
    });
  }
  // The index of the first night spares later runs the work, so a first run is one without it.
  const first: Measured[] = [];
  for (const one of runs.filter(({ name }) => name.startsWith("`renew`"))) {
    const [state = ""] = (await one.prepare(0)).slice(-1);
    await rm(join(state, "index.json"), { force: true });
    first.push({ ...(await costOf(one, 0)), name: `${one.name}, first run`, rounds: 1 });
  }
  const [floor, ...later] = await measure([empty, ...runs], rounds);
  return table(floor === undefined ? [] : [floor, ...first, ...later]);
}

/** The first run over a state checks every file, and keeps an index for the others. */
async function firstNight(stored: Stored, state: string): Promise<void> {
  for (const words of [["renew", "--no-jitter"], ["list"]]) {
    await run(stored, [...words, "--state", state]);
  }
}

async function run(stored: Stored, typed: readonly string[]): Promise<void> {
  const [file = "", ...words] = [...acmectl, ...typed];
  const env = { ...process.env, ...environment(stored) };
  await promisify(execFile)(file, words, { env, maxBuffer: 2 ** 30 });
}

function environment({ folder }: Stored): Record<string, string> {
  return { HOME: folder, XDG_CACHE_HOME: join(folder, "cache") };
}
