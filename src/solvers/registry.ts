/** From the name of a solver to its plugin: a file, a built-in folder, or an npm package. */
import { readdir } from "node:fs/promises";
import { existsSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { codeExtension, pluginReadme, pluginsFolder } from "../installation.ts";
import { nearest } from "../options/near.ts";
import type { SolverPlugin } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { loadSolverFile } from "./file.ts";
import { findPackage, installedPackages, packageOf } from "./package.ts";

export interface LoadedSolver {
  readonly plugin: SolverPlugin;
  /** What flags and `ACMECTL_<NAME>_` variables begin with: folder name, package name without its prefix, or file name. */
  readonly name: string;
  /** `built-in`, an absolute file path, or `package@version`. */
  readonly origin: string;
  /** Absolute path of its documentation, where it has some. */
  readonly readme?: string | undefined;
}

/** Loads the one solver called `name`, and nothing else. Rejects with a Problem of kind `plugin` when there is none, or a broken one. */
export async function loadSolver(name: string, from: { cwd: string }): Promise<LoadedSolver> {
  if (isFile(name)) {
    const loaded = await loadSolverFile(name, from.cwd);
    return { plugin: loaded.plugin, name: loaded.name, origin: loaded.path };
  }
  if ((await builtInSolvers()).includes(name)) {
    const { plugin } = await loadSolverFile(indexOf(name), from.cwd, { trusted: true });
    return { plugin, name, origin: "built-in", readme: existing(pluginReadme(name)) };
  }
  const found = await findPackage(name, from.cwd);
  if (found === undefined) throw await unknownSolver(name, from.cwd);
  const { plugin } = await loadSolverFile(found.entry, from.cwd, { from: found.origin });
  const readme = existing(join(found.folder, "README.md"));
  return { plugin, name: found.name, origin: found.origin, readme };
}

/** The names of the built-in solvers, sorted: the folders of `plugins/` that hold an index file. */
export async function builtInSolvers(): Promise<readonly string[]> {
  const entries = await readdir(pluginsFolder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  return names.filter((name) => existsSync(indexOf(name))).toSorted();
}

/** What to give `loadSolver` for each solver package that is installed for `cwd` or beside acmectl, sorted. */
export async function installedSolvers(from: { cwd: string }): Promise<readonly string[]> {
  const builtIn = await builtInSolvers();
  return (await installedPackages(from.cwd)).filter((name) => !builtIn.includes(name));
}

function existing(file: string): string | undefined {
  return existsSync(file) ? file : undefined;
}

function isFile(name: string): boolean {
  return /^\.{1,2}[/\\]/.test(name) || isAbsolute(name);
}

function indexOf(name: string): string {
  return join(pluginsFolder, name, `index${codeExtension}`);
}

async function unknownSolver(name: string, cwd: string): Promise<Problem> {
  const builtIn = await builtInSolvers();
  const installed = await installedSolvers({ cwd });
  const also = installed.length === 0 ? "" : ` Installed as packages: ${installed.join(", ")}.`;
  return new Problem("plugin", {
    title: "Unknown solver",
    detail: `There is no solver called ${JSON.stringify(name)}. Built in: ${builtIn.join(", ")}.${also}`,
    hint: hintFor(name, [...builtIn, ...installed]),
  });
}

function hintFor(name: string, known: readonly string[]): string {
  if (/\.[cm]?[jt]s$/.test(name))
    return `Give the path of a solver in a file: ./${name.replace(/^\.?\//, "")}.`;
  const near = nearest(name, known);
  const meant = near === undefined ? "" : `Did you mean ${near}? `;
  const wanted = packageOf(name);
  return wanted === undefined
    ? `${meant}Run \`acmectl solvers list\` to see all solvers.`
    : `${meant}If it is a package of its own, install it: npm install ${wanted}`;
}
