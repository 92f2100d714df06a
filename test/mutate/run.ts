/**
 * `npm run mutate [-- WORD…]`: changes the code on purpose and tells which changes no test notices. First the sabotages of
 * `sabotage.ts`, then Stryker's mutants of each group. With words, only the groups and files whose name contains one of
 * them; `--sabotage` runs the sabotages alone. It takes hours for all groups.
 */
import { availableParallelism } from "node:os";
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Stryker } from "@stryker-mutator/core";
import { groups, type Group } from "./groups.ts";
import { sabotages } from "./sabotages.ts";
import { unnoticed } from "./sabotage.ts";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));
const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const fits = (name: string) => words.length === 0 || words.some((word) => name.includes(word));

if (words.length === 0) process.exitCode = (await sabotaged()) ? 0 : 1;
if (!process.argv.includes("--sabotage"))
  for (const group of groups) {
    const sources = group.sources.flatMap((pattern) => globSync(pattern));
    const chosen = fits(group.name) ? sources : sources.filter(fits);
    if (chosen.length > 0) await mutated(group, chosen);
  }

async function sabotaged(): Promise<boolean> {
  let passed = true;
  for (const sabotage of sabotages) {
    const why = await unnoticed(sabotage);
    console.log(`${why === undefined ? "noticed" : "NOT NOTICED"}: ${sabotage.name}`);
    if (why !== undefined) console.log(`  ${why.replaceAll("\n", "\n  ")}`);
    passed &&= why === undefined;
  }
  return passed;
}

async function mutated({ name, tests }: Group, sources: readonly string[]): Promise<void> {
  process.env["ACMECTL_MUTATE_TESTS"] = tests.join(" ");
  const results = await new Stryker({
    configFile: "test/mutate/stryker.json",
    mutate: [...sources],
    concurrency: Number(process.env["MUTATE_WORKERS"] ?? availableParallelism()),
  }).runMutationTest();
  for (const source of sources) {
    const own = results.filter(({ fileName }) => fileName.endsWith(source));
    const noticed = own.filter(({ status }) => ["Killed", "Timeout"].includes(status));
    const missed = own.filter(({ status }) => ["Survived", "NoCoverage"].includes(status));
    const all = noticed.length + missed.length;
    const score = all === 0 ? "nothing to change" : `${Math.round((100 * noticed.length) / all)} %`;
    console.log(`${name}: ${source}: ${score} (${noticed.length} of ${all} changes noticed)`);
    for (const { location, mutatorName, replacement = "", status } of missed)
      console.log(
        `  ${source}:${location.start.line}:${location.start.column} ${mutatorName} ${status}: ${replacement.split("\n")[0]}`,
      );
  }
}
