import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { allCommands, commandSource } from "../../src/commands/definitions.ts";
import { splitWords } from "../../src/options/words.ts";
import { readCommandLine } from "../../src/program/program.ts";
import { loadSolver } from "../../src/solvers/registry.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const source = commandSource();
const firstWords = new Set(source.names.map((name) => name.split(" ")[0]));

/** The lines as a person pastes them: without what is computed, redirections and the sentence around them. */
function pasted(text: string): readonly string[] {
  return text
    .replaceAll(/(?:;| > | \| |…)[^]*$/g, "")
    .split(" && ")
    .map((line) =>
      line
        .replace(/^acmectl /, "")
        .replace(/[.:,]$/, "")
        .trim(),
    );
}

/** Every command line in a message, a hint or a description of this file. */
function suggestionsIn(code: string): readonly string[] {
  let text = code.replaceAll(/^ *(\/\/|\/?\*).*$/gm, "");
  for (let before = ""; before !== text;) {
    before = text;
    text = text.replaceAll(/\$\{[^{}]*\}/g, "VALUE").replaceAll(/([a-z])VALUE/g, "$1");
  }
  const marked = [...text.matchAll(/\\?`acmectl ([a-z][^`\\\n]*)\\?`/g)];
  const last = [...text.matchAll(/: acmectl ([a-z][^`"\n]*)["`]/g)];
  return [...marked, ...last]
    .flatMap(([, line = ""]) => pasted(line))
    .filter((line) => firstWords.has(line.split(" ")[0] ?? "") && !line.startsWith("renew runs"))
    .map((line) => line.replace(/^import VALUE/, "import certbot"));
}

async function codeFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, folder), { recursive: true });
  return entries
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .map((file) => join(folder, file));
}

/** What is computed is one word, or words of flags, or nothing. */
async function isRead(line: string): Promise<boolean> {
  const variants = [line, line.replaceAll(/ *VALUE/g, ""), line.replace(/^([a-z ]+) VALUE/, "$1")];
  const kinds = variants.map(async (one) =>
    readCommandLine(splitWords(one) ?? [], {
      commands: source,
      loadSolver,
      env: {},
      cwd: root,
      version: "",
      width: 100,
    }).then(
      ({ kind }) => kind,
      () => "refused",
    ),
  );
  return (await Promise.all(kinds)).includes("command");
}

const files = [...(await codeFiles("src")), ...(await codeFiles("plugins"))];
const suggested = await Promise.all(
  files.map(async (file) =>
    suggestionsIn(await readFile(join(root, file), "utf8")).map((line) => [line, file] as const),
  ),
);
const lines = [...new Map(suggested.flat()).entries()];

test("messages suggest more than forty different command lines", () => {
  expect(lines.length).toBeGreaterThan(40);
});

test.each(lines)("acmectl reads `acmectl %s`, which %s suggests", async (line) => {
  expect(await isRead(line)).toBe(true);
});

const examples = (await allCommands(source)).flatMap(({ examples = [] }) => examples);

test.each(examples.filter((line) => line.startsWith("acmectl ")).flatMap(pasted))(
  "acmectl reads the example `acmectl %s`",
  async (line) => {
    expect(await isRead(line)).toBe(true);
  },
);
