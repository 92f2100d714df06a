/** Solvers of other clients become settings of acmectl: options checked against the plugins, secrets as references. */
import type { SolverSetting } from "../certificate.ts";
import type { Context } from "../context.ts";
import { missingRoots } from "../request/review.ts";
import { solverFault } from "../solvers/open.ts";
import { readSecret } from "../options/secret.ts";
import { asProblem, Problem } from "../problem.ts";
import { loadSolver, type LoadedSolver } from "../solvers/registry.ts";
import type { FoundOption, FoundSolver } from "./found.ts";

/** Leaves out solvers and options that acmectl does not have, with a note that says what to do. */
export async function settleSolvers(
  found: readonly FoundSolver[],
  context: Context,
): Promise<{ settings: readonly SolverSetting[]; notes: readonly string[] }> {
  const settings: SolverSetting[] = [];
  const notes: string[] = [];
  for (const solver of found) {
    const loaded = await loadSolver(solver.use, context).catch(asProblem);
    if (Problem.is(loaded)) {
      notes.push(
        `The solver ${solver.use} is not installed: import again with --solver NAME (\`acmectl solvers list\` shows them).`,
      );
      continue;
    }
    const setting = await settle(solver, nameFor(solver.use, settings), loaded, context);
    settings.push(setting.setting);
    notes.push(...setting.notes, ...(await complaints(setting.setting, context)));
  }
  return { settings, notes };
}

function nameFor(use: string, taken: readonly SolverSetting[]): string {
  const before = taken.filter((setting) => setting.use === use).length;
  return before === 0 ? use : `${use}-${before + 1}`;
}

async function settle(
  { use, options, select, challenge, saved }: FoundSolver,
  name: string,
  { plugin }: LoadedSolver,
  context: Context,
): Promise<{ setting: SolverSetting; notes: readonly string[] }> {
  const values: Record<string, unknown> = {};
  const notes: string[] = [];
  const read = Object.entries(plugin.options).map(([option, { env = [] }]) => {
    return [option, env.map((variable) => saved?.(variable)).find(Boolean)] as const;
  });
  for (const [option, found] of [...read, ...Object.entries(options)]) {
    if (found === undefined) continue;
    const declaration = plugin.options[option];
    if (declaration === undefined) {
      notes.push(`The solver ${use} has no option for ${sourceOf(option, found)}.`);
    } else if (declaration.secret !== true) {
      values[option] = found.value;
    } else {
      const reference = await referenceTo(found, context);
      if (reference !== undefined) values[option] = reference;
      notes.push(secretNote(use, option, found, reference));
    }
  }
  return { setting: { name, use, options: values, select, challenge }, notes };
}

/** A command that prints the secret from where the other client has it; undefined where it would print something else. */
async function referenceTo(
  { value, at }: FoundOption,
  { env, cwd, mask, signal }: Context,
): Promise<string | undefined> {
  if (typeof value !== "string") return undefined;
  mask(value);
  if (at?.script === undefined) return undefined;
  const reference = `cmd:sed -n ${quoted(at.script)} ${quoted(at.file)}`;
  const read = await readSecret(reference, { env, folder: cwd, mask, signal }).catch(asProblem);
  return read === value ? reference : undefined;
}

/** One word for `splitWords`. */
function quoted(word: string): string {
  return `"${word.replaceAll(/["\\$`]/g, String.raw`\$&`)}"`;
}

function secretNote(
  use: string,
  option: string,
  found: FoundOption,
  reference: string | undefined,
): string {
  const place = sourceOf(option, found);
  if (reference === undefined) {
    return `The secret ${place} was not imported: set ${option} of the solver ${use} to a reference (env:NAME or file:/path) and import again, or set its environment variable wherever acmectl runs.`;
  }
  return `The secret ${option} stays in ${place} and is read from there at each renewal: keep that file, or set ${option} of the solver ${use} to a reference of your own (env:NAME or file:/path).`;
}

function sourceOf(option: string, { at }: FoundOption): string {
  return at === undefined ? option : `${at.key} in ${at.file}`;
}

/** Why the solver would fail at the first renewal. */
async function complaints(setting: SolverSetting, context: Context): Promise<readonly string[]> {
  const fault = await solverFault(setting, context);
  const place = `The solver ${setting.use} is not ready`;
  if (fault === undefined) return setting.use === "webroot" ? missingRoots(setting, place) : [];
  return [`${place}: ${fault.message} ${fault.hint ?? ""}`.trim()];
}
