/** What starting costs, and what certificates cost of which none is due. */
import { join } from "node:path";
import { acmectl } from "./clients.ts";
import { measure, table, type Program } from "./measure.ts";
import type { Stored } from "./stored.ts";

const empty: Program = { name: "node -e 0", prepare: () => [process.execPath, "-e", "0"] };

export async function startUp(stored: Stored, rounds: number): Promise<string> {
  const state = await stored.with(10);
  const run = (...words: readonly string[]): Program => ({
    name: words.join(" "),
    env: environment(stored),
    prepare: () => [...acmectl, ...words, "--state", state],
  });
  const version = { ...run("--version"), prepare: () => [...acmectl, "--version"] };
  const programs = [empty, version, run("--help"), run("list"), run("plan"), run("renew")];
  return table("start, 10 certificates", await measure(programs, rounds));
}

export async function noneDue(stored: Stored, rounds: number): Promise<string> {
  const runs: Program[] = [];
  for (const count of [1_000, 10_000]) {
    const state = await stored.with(count);
    for (const words of [["renew", "--no-jitter"], ["list", "--json"], ["plan"]]) {
      runs.push({
        name: `${words[0]}, ${count.toLocaleString("en")} certificates`,
        env: environment(stored),
        prepare: () => [...acmectl, ...words, "--state", state],
      });
    }
  }
  return table("none due", await measure([empty, ...runs], rounds));
}

function environment({ folder }: Stored): Record<string, string> {
  return { HOME: folder, XDG_CACHE_HOME: join(folder, "cache") };
}
