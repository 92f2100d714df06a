/** The solvers' own options, for checking and describing the config. */
import { dirname } from "node:path";
import type { OptionDeclarations } from "../options/declaration.ts";
import { builtInSolvers, loadSolver } from "./registry.ts";
import type { SolverOptions } from "../config/file.ts";
import type { Context } from "../context.ts";

/** Loads plugins as the config means them: a file relative to its folder, a package as seen from the working directory. */
export function solverOptions({ configPath, cwd }: Context): SolverOptions {
  return async (use) => {
    const from = /^\.{1,2}[/\\]/u.test(use) ? dirname(configPath) : cwd;
    const { plugin } = await loadSolver(use, { cwd: from });
    return plugin.options;
  };
}

/** The options of every built-in solver, by its name. */
export async function builtInOptions(cwd: string): Promise<Record<string, OptionDeclarations>> {
  const names = await builtInSolvers();
  const loaded = names.map(async (name) => {
    const { plugin } = await loadSolver(name, { cwd });
    return [name, plugin.options] as const;
  });
  return Object.fromEntries(await Promise.all(loaded));
}
