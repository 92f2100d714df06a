/** Where acmectl's own files are: beside `src` when it runs from source, below `dist` when it was built. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** True when Node.js runs the TypeScript itself, under `--conditions=source`. */
export const fromSource = import.meta.url.endsWith(".ts");

/** The folder of package.json, which holds `bin` as well. */
export const packageFolder = folderAbove(fileURLToPath(import.meta.url));

const root = fromSource ? packageFolder : join(packageFolder, "dist");

/** Of every module of acmectl. */
export const codeExtension = fromSource ? ".ts" : ".js";

/** Holds one module per command, `account/register` for `account register`, and nothing else when it was built. */
export const commandsFolder = join(root, "src", "commands");

/** The summary of each command by its name; only when it was built. */
export const summariesFile = join(root, "src", "commands.json");

/** The help of each command by its words, for a terminal of so many columns; only when it was built. */
export function helpFile(columns: number): string {
  return join(root, "src", `help-${columns}.json`);
}

/** Holds a folder per built-in solver. */
export const pluginsFolder = join(root, "plugins");

/** The module that outsiders import as `acmectl/<name>`. */
export function publicModule(name: string): string {
  return join(root, "src", `${name}${codeExtension}`);
}

/** Where the documentation of a built-in solver is. */
export function pluginReadme(name: string): string {
  return join(packageFolder, "plugins", name, "README.md");
}

function folderAbove(file: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(join(folder, "bin", "acmectl.js"))) return folder;
  }
  throw new Error("acmectl's own bin/acmectl.js is missing.");
}
