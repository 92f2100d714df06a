import type { SolverSetting } from "../certificate.ts";
import type { Context } from "../context.ts";
import type { SolverContext } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { resolveSolver } from "./open.ts";
import { loadSolver } from "./registry.ts";

/** Why a solver fails as soon as a run needs it: its plugin, options, secrets or credentials. Asks no server. */
export async function solverFault(
  setting: SolverSetting,
  context: Context,
): Promise<Problem | undefined> {
  try {
    const loaded = await loadSolver(setting.use, context);
    const { values } = await resolveSolver(setting, loaded, { ...context, solverFlags: {} });
    const solver = await loaded.plugin.create(values, nothing(setting.name, context));
    await solver.close?.();
    return undefined;
  } catch (error) {
    context.signal.throwIfAborted();
    if (Problem.is(error)) return error;
    throw error;
  }
}

/** What a solver gets that is only created: no state and no DNS. */
function nothing(name: string, { log }: Context): SolverContext {
  return {
    name,
    log,
    state: { get: () => Promise.resolve(undefined), set: () => Promise.resolve() },
    findZone: () => Promise.reject(new Problem("solver", { detail: "A check asks no DNS." })),
  };
}
