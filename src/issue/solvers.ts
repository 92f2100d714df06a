import type { SolverSetting } from "../certificate.ts";
import type { Solver, SolverContext, SolverPlugin } from "../plugin.ts";
import { limited } from "./concurrency.ts";

/** A solver that was created for this run. */
export interface OpenSolver {
  readonly setting: SolverSetting;
  readonly plugin: SolverPlugin;
  readonly solver: Solver;
  /** Runs a call within the plugin's declared concurrency. */
  readonly limit: ReturnType<typeof limited>;
}

/** The solvers of a run: each is loaded, and created, once and only when something needs it. */
export interface SolverSet {
  /** Load the declaration; nothing is created. */
  plugin(setting: SolverSetting): Promise<SolverPlugin>;
  /** Create the solver, its options resolved and checked. */
  open(setting: SolverSetting): Promise<OpenSolver>;
  close(): Promise<void>;
}

export interface SolverSetDependencies {
  load(setting: SolverSetting): Promise<SolverPlugin>;
  /** Flags, environment, config and defaults, for this setting. */
  options(
    setting: SolverSetting,
    plugin: SolverPlugin,
  ): Promise<Parameters<SolverPlugin["create"]>[0]>;
  context(setting: SolverSetting): SolverContext;
}

export function openSolverSet(from: SolverSetDependencies): SolverSet {
  const plugins = new Map<string, Promise<SolverPlugin>>();
  const open = new Map<string, Promise<OpenSolver>>();
  const plugin = (setting: SolverSetting) => once(plugins, setting.use, () => from.load(setting));
  return {
    plugin,
    open: (setting) =>
      once(open, JSON.stringify([setting.name, setting.use, setting.options]), async () => {
        const loaded = await plugin(setting);
        const solver = await loaded.create(
          await from.options(setting, loaded),
          from.context(setting),
        );
        return { setting, plugin: loaded, solver, limit: limited(loaded.concurrency ?? 1) };
      }),
    async close() {
      const solvers = [...open.values()];
      open.clear();
      await Promise.allSettled(solvers.map(async (opening) => (await opening).solver.close?.()));
    },
  };
}

function once<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made;
}
