import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { markdownTable, optionsTable } from "../src/options/table.ts";
import { exitCodes } from "../src/problem.ts";
import { builtInSolvers, loadSolver } from "../src/solvers/registry.ts";

const plugins = fileURLToPath(new URL("../plugins/", import.meta.url));
const names = (await readdir(plugins, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .toSorted();
const block = /<!-- options -->\n[^]*?<!-- \/options -->/;

/** `npm run docs` writes what is missing here. */
describe("the README of", () => {
  it.each(names)("%s has the options that the solver declares", async (name) => {
    const file = `${plugins}${name}/README.md`;
    const written = await readFile(file, "utf8");
    expect(written, "the markers between which the options stand").toMatch(block);
    const { plugin } = await loadSolver(name, { cwd: "/" });
    const table = optionsTable(plugin.options, name);
    const expected = written.replace(
      block,
      () => `<!-- options -->\n\n${table}\n\n<!-- /options -->`,
    );
    await expect(expected).toMatchFileSnapshot(file);
  });

  it.each(names)("%s shows how it is configured", async (name) => {
    const written = await readFile(`${plugins}${name}/README.md`, "utf8");
    expect(written).toMatch(new RegExp(`^# ${name}\n`));
    expect(written).toMatch(new RegExp(`\`\`\`yaml\nsolvers:\n[^]*?use: ${name}\n`));
  });
});

describe("the project's README", () => {
  const file = fileURLToPath(new URL("../README.md", import.meta.url));

  it("has every built-in solver and every exit code", async () => {
    const rows = await Promise.all(
      (await builtInSolvers()).map(async (name) => {
        const { plugin } = await loadSolver(name, { cwd: "/" });
        return [
          `[${name}](plugins/${name}/README.md)`,
          plugin.challengeTypes.join(", "),
          plugin.summary,
        ];
      }),
    );
    const solvers = markdownTable(["solver", "answers", "what it does"], rows);
    const table = markdownTable(["code", "meaning"], Object.entries(exitCodes));
    const written = await readFile(file, "utf8");
    const expected = filled(filled(written, "solvers", solvers), "exit-codes", table);
    await expect(expected).toMatchFileSnapshot(file);
  });
});

function filled(text: string, marker: string, content: string): string {
  const between = new RegExp(`<!-- ${marker} -->[^]*?<!-- /${marker} -->`);
  expect(text).toMatch(between);
  return text.replace(between, () => `<!-- ${marker} -->\n\n${content}\n\n<!-- /${marker} -->`);
}
