import type { DnsSetting, SolverSetting } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import type { ConfigSection } from "../options/find.ts";
import { resolveOptions, type ResolvedOptions } from "../options/resolve.ts";
import type { Call, Challenge, Solver, SolverContext, SolverPlugin } from "../plugin.ts";
import { Problem } from "../problem.ts";
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
  /** Loads the declaration; nothing is created. */
  plugin(setting: SolverSetting): Promise<SolverPlugin>;
  /** Creates the solver, its options resolved and checked. */
  open(setting: SolverSetting): Promise<OpenSolver>;
  /** The same by the remembered setting alone: the flags of this run are meant for others. */
  reopen(setting: SolverSetting): Promise<OpenSolver>;
  close(): Promise<void>;
}

export function openSolverSet(
  context: Context,
  store: Store,
  dns: (setting: DnsSetting) => Dns,
): SolverSet {
  const loading = new Map<string, Promise<LoadedSolver>>();
  const opening = new Map<string, Promise<OpenSolver>>();
  const sharing = new Map<string, Promise<OpenSolver>>();
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
  // Certificates that share a solver keep their own settings, e.g. how long they wait for the DNS. The names of one certificate
  // get the same object, by which calls for many names are grouped.
  const openBy = async (setting: SolverSetting, around: Context) => {
    const key = keyOf(setting, around, await load(setting));
    const own = `${key} ${JSON.stringify(setting)}`;
    return once(sharing, own, async () => ({
      ...(await once(opening, key, () => create(setting, around))),
      setting,
    }));
  };
  return {
    plugin: async (setting) => (await load(setting)).plugin,
    open: (setting) => openBy(setting, context),
    reopen: (setting) => openBy(setting, withoutFlags(context)),
    async close() {
      const solvers = [...opening.values()];
      opening.clear();
      await Promise.allSettled(solvers.map(async (solver) => (await solver).solver.close?.()));
    },
  };
}

/** One solver serves all certificates; where it asks the DNS, those that ask the same servers. */
function keyOf(
  { name, use, options, dns = {} }: SolverSetting,
  { solverFlags }: Context,
  { plugin }: LoadedSolver,
): string {
  const { resolvers, authoritative, authoritativePort, recursive } = dns;
  const asked = { resolvers, authoritative, authoritativePort, recursive };
  const servers = plugin.challengeTypes.includes("dns-01") ? asked : {};
  return JSON.stringify([name, use, options, servers, solverFlags]);
}

function withoutFlags(context: Context): Context {
  return { ...context, solverFlags: {} };
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
    config: Object.keys(setting.options).length === 0 ? undefined : sectionOf(setting, context),
    configFirst: setting.from === undefined || setting.shared === true,
    cwd,
    mask,
    signal,
  });
}

function sectionOf({ name, from, options }: SolverSetting, { cwd }: Context): ConfigSection {
  return {
    values: options,
    path: from ?? "(the remembered request)",
    key: `solvers.${name}`,
    // Remembered paths are absolute already.
    folder: from === undefined ? cwd : undefined,
  };
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
    answers: store.answers,
    findZone: (recordName) => dns.findZone(recordName, signal),
  };
}

/** Why a solver fails as soon as a run needs it: its plugin, options, secrets or credentials. Asks no server. */
export async function solverFault(
  setting: SolverSetting,
  context: Context,
): Promise<Problem | undefined> {
  try {
    const loaded = await loadSolver(setting.use, context);
    const { values } = await resolveSolver(setting, loaded, withoutFlags(context));
    const solver = await loaded.plugin.create(values, {
      name: setting.name,
      log: context.log,
      state: { get: () => Promise.resolve(undefined), set: () => Promise.resolve() },
      answers: { put: () => Promise.resolve(), remove: () => Promise.resolve() },
      findZone: () => Promise.reject(new Problem("solver", { detail: "A check asks no DNS." })),
    });
    await solver.close?.();
    return undefined;
  } catch (error) {
    context.signal.throwIfAborted();
    if (Problem.is(error)) return error;
    throw error;
  }
}

function once<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  const made = known.get(key) ?? make();
  known.set(key, made);
  return made;
}

interface Undoable {
  readonly challenge: Challenge;
  readonly receipt?: unknown;
}

/** Clean up what one solver has presented, in one call where it has one for many; `each` makes the calls. */
export async function cleanUpBy<T extends Undoable>(
  solver: Solver,
  items: readonly T[],
  call: Call,
  each: (batch: readonly T[], work: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const undoable = ({ challenge, receipt }: T) => ({ challenge, receipt: receipt ?? undefined });
  if (solver.cleanupAll !== undefined && items.length > 1)
    return each(items, async () => solver.cleanupAll?.(items.map(undoable), call));
  const one = (item: T) =>
    each([item], () => solver.cleanup(item.challenge, undoable(item).receipt, call));
  await Promise.all(items.map(one));
}
