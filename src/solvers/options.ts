/** The solvers' own options: for checking and describing the config, and as a request remembers them. */
import { dirname, resolve } from "node:path";
import type { SolverSetting } from "../certificate.ts";
import type { SolverOptions } from "../config/file.ts";
import type { Context } from "../context.ts";
import type { OptionDeclaration, OptionDeclarations } from "../options/declaration.ts";
import { formatDuration } from "../options/duration.ts";
import type { ResolvedOptions } from "../options/resolve.ts";
import { absoluteReference, isReference } from "../options/secret.ts";
import { builtInSolvers, loadSolver } from "./registry.ts";

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

/**
 * A solver's options as `renew` will need them, though cron has another environment: what was given by flag or variable,
 * as text; a secret as a reference to where it was found, never itself.
 */
export function rememberOptions<D extends OptionDeclarations>(
  declarations: D,
  { values, sources }: ResolvedOptions<D>,
  context: Pick<Context, "env" | "cwd">,
): SolverSetting["options"] {
  const known: Record<string, unknown> = values;
  return Object.fromEntries(
    Object.entries(declarations).flatMap(([option, declaration]) => {
      const source = sources[option];
      if (source === undefined || source === "default" || source.includes(":")) return [];
      return [[option, rememberOne(declaration, known[option], source, context)]];
    }),
  );
}

function rememberOne(
  declaration: OptionDeclaration,
  value: unknown,
  source: string,
  { env, cwd }: Pick<Context, "env" | "cwd">,
): unknown {
  if (declaration.secret === true) {
    const text = env[source] ?? "";
    if (source.endsWith("_FILE")) return `file:${resolve(cwd, text)}`;
    return isReference(text) ? absoluteReference(text, cwd) : `env:${source}`;
  }
  return declaration.type === "duration" && typeof value === "number"
    ? formatDuration(value)
    : value;
}
