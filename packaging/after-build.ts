/** After the build: what `acmectl --help` lists, the help of each command, and no declarations but those that others can reach. */
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { allCommands, commandSource } from "../src/commands/definitions.ts";
import { widths } from "../src/prepared.ts";
import { helpTexts } from "../src/program/program.ts";
import { switchBuild } from "./switch.ts";
import manifest from "../package.json" with { type: "json" };

const root = resolve(import.meta.dirname, "..");
const source = commandSource();
const commands = await allCommands(source);
const summaries = Object.fromEntries(commands.map(({ name, summary }) => [name, summary]));
writeFileSync(join(root, "dist.new/src/commands.json"), JSON.stringify(summaries));
for (const width of widths) {
  const texts = await helpTexts(source, width);
  writeFileSync(join(root, `dist.new/src/help-${width}.json`), JSON.stringify(texts));
}

const reached = new Set<string>();
for (const { types } of Object.values(manifest.exports)) {
  reach(join(root, types.replace("./dist/", "./dist.new/")));
}
for (const file of globSync(join(root, "dist.new/types/**/*.d.ts"))) {
  if (!reached.has(file)) rmSync(file);
}

function reach(file: string): void {
  if (reached.has(file)) return;
  reached.add(file);
  for (const [, path = ""] of readFileSync(file, "utf8").matchAll(/from "(\.[^"]+)\.ts"/g)) {
    reach(`${resolve(file, "..", path)}.d.ts`);
  }
}

rmSync(join(root, "dist.maps"), { recursive: true, force: true });
for (const file of globSync("**/*.map", { cwd: join(root, "dist.new") })) {
  const map = join(root, "dist.maps", file);
  mkdirSync(dirname(map), { recursive: true });
  renameSync(join(root, "dist.new", file), map);
}
switchBuild(join(root, "dist.new"), join(root, "dist"));
