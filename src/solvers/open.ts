import { join } from "node:path";
import type { DnsSetting, SolverSetting } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { resolveOptions, type ConfigSection, type ResolvedOptions } from "../options/resolve.ts";
import type { Solver, SolverContext, SolverPlugin } from "../plugin.ts";
import type { Problem } from "../problem.ts";
import { loadSolver, type LoadedSolver } from "./registry.ts";
import type { Store } from "../state/store.ts";
import type { Context } from "../context.ts";
import { createLimit, type Limit } from "../limit.ts";
import { boundedSolver, solverLimits, solverProblem, within } from "./bounded.ts";

/** A solver that was created for this run. */
export interface OpenSolver {
  readonly setting: SolverSetting;
  readonly plugin: SolverPlugin;
  readonly solver: Solver;
  /** Runs a call within the plugin's declared concurrency. */
  readonly limit: Limit;
}

/** The solvers of a run: each is loaded, and created, once and only when something needs it. */
export interface SolverSet {
  /** Load the declaration; nothing is created. */
  plugin(setting: SolverSetting): Promise<SolverPlugin>;
  /** Create the solver, its options resolved and checked. */
  open(setting: SolverSetting): Promise<OpenSolver>;
  /** The same by what the setting remembers alone: flags of this run are meant for others. */
  reopen(setting: SolverSetting): Promise<OpenSolver>;
  close(): Promise<void>;
}

/** The solvers of a run, on what surrounds it. */
export function openSolverSet(
  context: Context,
  store: Store,
  dns: (setting: DnsSetting) => Dns,
): SolverSet {
  const loading = new Map<string, Promise<LoadedSolver>>();
  const opening = new Map<string, Promise<OpenSolver>>();
  const load = ({ use }: SolverSetting) =>
    once(loading, use, () => loadSolver(use, { cwd: context.cwd }));
  const create = async (setting: SolverSetting, around: Context): Promise<OpenSolver> => {
    const loaded = await load(setting);
    const { values } = await resolveSolver(setting, loaded, around);
    const { plugin } = loaded;
    const { call, grace } = solverLimits;
    const failure = `Solver ${setting.name} was not created`;
    const solver = await within(call, grace, failure, context, async () =>
      plugin.create(values, contextOf(setting, context, store, dns(setting.dns ?? {}))),
    ).catch((error: unknown) => {
      context.signal.throwIfAborted();
      throw named(solverProblem(failure, error), setting);
    });
    const bounded = boundedSolver(setting.name, solver);
    return { setting, plugin, solver: bounded, limit: createLimit(plugin.concurrency ?? 1) };
  };
  return {
    plugin: async (setting) => (await load(setting)).plugin,
    open: async (setting) =>
      once(opening, keyOf(setting, await load(setting)), () => create(setting, context)),
    reopen: async (setting) =>
      once(opening, `again ${keyOf(setting, await load(setting))}`, () =>
        create(setting, { ...context, solverFlags: {} }),
      ),
    async close() {
      const solvers = [...opening.values()];
      opening.clear();
      await Promise.allSettled(solvers.map(async (solver) => (await solver).solver.close?.()));
    },
  };
}

/** One solver serves all certificates; where it asks the DNS, those whose DNS settings are the same. */
function keyOf({ name, use, options, dns }: SolverSetting, { plugin }: LoadedSolver): string {
  const { resolvers, authoritative, authoritativePort, recursive } =
    plugin.challengeTypes.includes("dns-01") && dns !== undefined ? dns : {};
  return JSON.stringify([
    name,
    use,
    options,
    { resolvers, authoritative, authoritativePort, recursive },
  ]);
}

/** A solver of the config is named as it is there: several may use one plugin. */
function named(problem: Problem, { name, from }: SolverSetting): Problem {
  return from === undefined
    ? problem
    : problem.with({ detail: `Solver ${name} (${from}): ${problem.message}` });
}

/** A solver's options: flag, environment, the setting's own, default. What was remembered goes before the environment. */
export function resolveSolver(
  setting: SolverSetting,
  { plugin, name }: LoadedSolver,
  context: Context,
): Promise<ResolvedOptions<OptionDeclarations>> {
  const { env, cwd, mask, signal, solverFlags } = context;
  return resolveOptions(plugin.options, {
    plugin: name,
    flags: solverFlags[name] ?? {},
    env,
    ...(Object.keys(setting.options).length === 0 ? {} : { config: sectionOf(setting, context) }),
    configFirst: setting.from === undefined || setting.shared === true,
    cwd,
    mask,
    signal,
  });
}

function sectionOf(
  { name, from, options }: SolverSetting,
  { stateFolder, cwd }: Context,
): ConfigSection {
  const path = from ?? join(stateFolder, "certificates", "(the remembered request)");
  const values = { values: options, path, key: `solvers.${name}` };
  // What was remembered is absolute already.
  return from === undefined ? { ...values, folder: cwd } : values;
}

function contextOf(
  { name }: SolverSetting,
  { log, signal }: Context,
  store: Store,
  dns: Dns,
): SolverContext {
  return {
    name,
    log,
    state: store.solverState(name),
    findZone: (recordName) => dns.findZone(recordName, signal),
  };
}

function once<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made;
}
