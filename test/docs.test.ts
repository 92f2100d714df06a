import { globSync, readFileSync } from "node:fs";
import { access, readdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { commandSource } from "../src/commands/definitions.ts";
import { visibilityFlags } from "../src/options/declared/request.ts";
import { describeOption } from "../src/options/describe.ts";
import { exitCodes } from "../src/problem.ts";
import { scenarios, titles } from "./bench/scenarios.ts";
import { markdownTable, optionsTable } from "./support/markdown.ts";
import { providers, recipeOf, sectionsOf } from "./support/providers.ts";
import { readingOrder } from "./support/reading-order.ts";
import { run } from "./support/run.ts";
import { temporaryFolder } from "./support/state.ts";
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
    expect(written, "the markers around the options").toMatch(block);
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

describe("docs/architecture.md", () => {
  const file = fileURLToPath(new URL("../docs/architecture.md", import.meta.url));

  it("lists the files that a run of `issue` leads through, as a traced run met them", async () => {
    const whole = await readingOrder();
    const pipeline = await readingOrder("src/issue/");
    const text = [
      `The pipeline is ${pipeline.files.length} files, with ${pipeline.returns} returns to a file visited earlier:`,
      listed(pipeline.files),
      `A whole run leads through ${whole.files.length} files:`,
      listed(whole.files),
    ].join("\n\n");
    const written = await readFile(file, "utf8");
    // What runs at the same time may be met in another order: the same files are the same list.
    const current = filled(written, "reading-order", text);
    const isSame = linesOf(current).join() === linesOf(written).join();
    await expect(isSame ? written : current).toMatchFileSnapshot(file);
  });

  it("names a room for every folder of src", async () => {
    const written = await readFile(file, "utf8");
    const entries = await readdir(new URL("../src/", import.meta.url), { withFileTypes: true });
    for (const entry of entries.filter((one) => one.isDirectory()))
      expect(written).toContain(`\`src/${entry.name}/\``);
  });

  it("names only files and folders that exist", async () => {
    const written = await readFile(file, "utf8");
    const paths = [...written.matchAll(/`((?:src|plugins|test|docs|bin)\/[\w./-]*)`/g)].flatMap(
      ([, path]) => path ?? [],
    );
    for (const path of paths) await access(new URL(`../${path}`, import.meta.url));
  });
});

describe("docs/benchmarks.md", () => {
  it("has a table for all that `npm run bench` measures, or none yet", async () => {
    const written = await readFile(new URL("../docs/benchmarks.md", import.meta.url), "utf8");
    const headings = [...written.matchAll(/^### (.*)\n\n\| /gm)].map(([, title]) => title);
    const all = [...Object.values(titles), ...scenarios.map(({ title }) => title)];
    expect([[], all]).toContainEqual(headings);
  });
});

describe("docs/dns.md", () => {
  it("names every flag of the DNS checks, and no other", async () => {
    const written = await readFile(new URL("../docs/dns.md", import.meta.url), "utf8");
    const named = new Set(written.match(/--(?:no-)?dns-[a-z]+/g));
    const flags = Object.entries(visibilityFlags)
      .filter(([name, declaration]) => name.startsWith("dns") && !("hidden" in declaration))
      .map(([name, declaration]) => describeOption(name, declaration).flag?.long ?? "");
    expect([...named].toSorted()).toEqual(flags.toSorted());
  });
});

describe("docs/providers.md", () => {
  const file = fileURLToPath(new URL("../docs/providers.md", import.meta.url));

  it("has for each provider a configuration, or says that acmectl cannot change its records", async () => {
    const written = await readFile(file, "utf8");
    const sections = await sectionsOf(await providers());
    await expect(filled(written, "providers", sections)).toMatchFileSnapshot(file);
  });

  it("shows configurations that `config validate` accepts", async () => {
    const all = await providers();
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    await using folder = await temporaryFolder();
    for (const provider of all) {
      expect(Object.keys(provider).join()).toMatch(
        /^name,site(,solver|,script,variables|,lexicon,variables)?$/,
      );
      expect(provider.site).toMatch(/^[\da-z.-]+\.[a-z]+(\/[^ ]*)?$/);
      expect(provider.script ?? "dns_x").toMatch(/^dns_\w+$/);
      for (const name of provider.variables ?? []) expect(name).toMatch(/^[A-Za-z]\w+$/);
    }
    const recipes = await Promise.all(all.map(recipeOf));
    const solvers = recipes.flatMap((recipe) => {
      const parsed: { solvers: object } | null = recipe === undefined ? null : parse(recipe);
      return Object.entries(parsed?.solvers ?? {});
    });
    const config = `${folder.path}/config.yaml`;
    await writeFile(config, stringify({ solvers: Object.fromEntries(solvers) }));
    expect(solvers.length).toBeGreaterThan(180);
    const validated = await run(`config validate --config ${config}`);
    expect([validated.code, validated.stderr]).toEqual([0, ""]);
    // Below the verdict: files and variables of secrets, which only the reader has.
    const [verdict, ...missing] = validated.stdout.trim().split("\n");
    expect(verdict).toMatch(/is valid/);
    for (const line of missing) expect(line).toMatch(/cannot read|is not ready/i);
  });
});

/** The lines of a list without its numbers, sorted. */
function linesOf(text: string): readonly string[] {
  return [...text.matchAll(/^(?:\d+\. |The pipeline is )(.*)$/gm)]
    .map(([, line = ""]) => line)
    .toSorted();
}

function listed(files: readonly string[]): string {
  return files.map((path, index) => `${index + 1}. \`${path}\``).join("\n");
}

function filled(text: string, marker: string, content: string): string {
  const between = new RegExp(`<!-- ${marker} -->[^]*?<!-- /${marker} -->`);
  expect(text).toMatch(between);
  return text.replace(between, () => `<!-- ${marker} -->\n\n${content}\n\n<!-- /${marker} -->`);
}

describe("the command lines of the documentation", async () => {
  const root = new URL("../", import.meta.url);
  const pages = globSync(["README.md", "docs/*.md", "plugins/*/README.md"], {
    cwd: fileURLToPath(root),
  });
  const lines = pages.flatMap((page) =>
    commandLines(readFileSync(new URL(page, root), "utf8")).map((line) => [page, line] as const),
  );
  /** Solvers that a page tells its reader to write or to install. */
  const isForeign = (line: string) => /--solver (\.\/|hello)|solvers test (\.\/|hello)/.test(line);

  it.each(lines.filter(([, line]) => !isForeign(line)))("%s: %s", async (_, line) => {
    const real = commandSource();
    const load = async (name: string) => {
      const command = await real.load(name);
      const done = { exitCode: 0 as const, document: { outcome: "done" }, view: [] };
      return command && { ...command, run: async () => done };
    };
    await using folder = await temporaryFolder();
    const env = { HOME: folder.path };
    const ran = await run(line.replace(/^acmectl ?/, ""), {
      env,
      parts: { commands: { ...real, load } },
    });
    expect(ran, ran.stderr).toMatchObject({ code: 0 });
  });
});

/** What a shell would run, of blocks and of code in the text; without lines that leave something out. */
function commandLines(markdown: string): readonly string[] {
  const blocks = [...markdown.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, body = ""]) => body);
  const prose = markdown.replaceAll(/^```[^]*?^```$/gm, "");
  const inline = [...prose.matchAll(/`(acmectl [^`]+)`/g)].map(([, code = ""]) => code);
  const lines = [...blocks, ...inline].flatMap((text) =>
    text
      .replaceAll("\\\n", " ")
      .replaceAll(/(^| +)#.*/gm, "")
      .split(/\n|&&|;/),
  );
  const commands = lines.flatMap((line) => {
    const [, command] = /(?:^|\s)(acmectl .*)/.exec(line.replaceAll(/\s+/g, " ").trim()) ?? [];
    return command?.replace(/ \d?[|>&].*/, "") ?? [];
  });
  return [...new Set(commands)].filter((line) => !/…|\(pid/.test(line));
}
