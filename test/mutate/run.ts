/**
 * `npm run mutate [-- WORD…]`: changes the code on purpose and tells which changes no test notices. First the sabotages of
 * `sabotage.ts`, then Stryker's mutants of each group. With words, only the groups and files whose name contains one of
 * them; `--sabotage` runs the sabotages alone, those whose name contains a word, `--most=N` tries N mutants of each file at most.
 */
import { globSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { groups, type Group } from "./groups.ts";
import { sabotages } from "./sabotages.ts";
import { trySabotages } from "./sabotage.ts";
import { tryMutants } from "./try.ts";

process.chdir(fileURLToPath(new URL("../..", import.meta.url)));
const options = process.argv.slice(2).filter((word) => word.startsWith("--"));
const words = process.argv.slice(2).filter((word) => !word.startsWith("--"));
const most = Number(
  options.find((one) => one.startsWith("--most="))?.slice("--most=".length) ?? 1e6,
);
const fits = (name: string) => words.length === 0 || words.some((word) => name.includes(word));

const onlySabotages = options.includes("--sabotage");
if (words.length === 0 || onlySabotages) process.exitCode = (await sabotaged()) ? 0 : 1;
if (!onlySabotages)
  for (const group of groups) {
    const sources = group.sources.flatMap((pattern) =>
      globSync(pattern, { exclude: ["**/*.d.ts"] }),
    );
    const chosen = fits(group.name) ? sources : sources.filter(fits);
    if (chosen.length > 0) await mutated(group, chosen);
  }

async function sabotaged(): Promise<boolean> {
  const began = Date.now();
  const chosen = sabotages.filter(({ name }) => fits(name));
  const whys: string[] = [];
  console.log("| sabotage | noticed by |\n| --- | --- |");
  for await (const { sabotage, failed, why } of trySabotages(chosen)) {
    console.log(`| ${sabotage.name} | ${failed[0] ?? "**not noticed**"} |`);
    if (why !== undefined) whys.push(`NOT NOTICED: ${sabotage.name}: ${why}`);
  }
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log([...whys, `${chosen.length} sabotages in ${seconds} s`].join("\n"));
  return whys.length === 0;
}

async function mutated({ name, tests }: Group, sources: readonly string[]): Promise<void> {
  const began = Date.now();
  const { tried, broken } = await tryMutants(sources, tests, most);
  const seconds = Math.round((Date.now() - began) / 1000);
  console.log(`${name}: ${tried.length} changes in ${seconds} s`);
  if (broken > 0) console.log(`  ${broken} tests fail without a change`);
  for (const source of sources) {
    const own = tried.filter(({ mutant }) => mutant.source === source);
    const count = (wanted: string) => own.filter(({ outcome }) => outcome === wanted).length;
    const noticed = count("noticed") + count("timeout");
    const score =
      own.length === 0 ? "nothing to change" : `${Math.round((100 * noticed) / own.length)} %`;
    console.log(
      `${source}: ${score}: ${own.length} changes, ${noticed} noticed (${count("timeout")} by a timeout), ${count("unnoticed")} unnoticed, ${count("not reached")} not reached`,
    );
    for (const { mutant, outcome } of own)
      if (outcome === "unnoticed" || outcome === "not reached")
        console.log(`  ${source}:${mutant.place} ${mutant.kind} ${outcome}: ${mutant.replacement}`);
  }
}
