import type { CertificateRequest, SolverSetting } from "../../certificate.ts";
import type { Dns } from "../../dns/dns.ts";
import { messageOf } from "../../errors.ts";
import type { Identifier, Target } from "../../plugin.ts";
import { combined, Problem } from "../../problem.ts";
import { solverProblem } from "../../solvers/bounded.ts";
import type { OpenSolver } from "../../solvers/open.ts";
import { selectSolvers, type Selected } from "../../solvers/select.ts";
import { noAccount, validationNameOf, type Choice } from "./challenges.ts";
import type { IssueTools } from "../tools.ts";

/** Choose and create the solvers of every name, offline: wrong options are found before any request is made. */
export async function choose(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly Choice[]> {
  const selected = await selectAll(request, tools);
  // `--solver none`: the CA asks for no proof, or says what it asks for.
  if (request.solvers.length > 0) assertServed(request, selected);
  const candidates = selected.flatMap(({ identifier, setting, challengeTypes }) =>
    challengeTypes.length === 0 ? [] : [{ identifier, challengeTypes, solver: { setting } }],
  );
  const open = ({ solver }: Candidate) => tools.solvers.open(solver.setting);
  const usable = await fallBack(candidates, "preflight", (best) => failuresOf(best, open), tools);
  const account = await accountFor(request, tools);
  return readyOnes(usable, tools, async (candidate) => ({
    ...candidate,
    solver: await open(candidate),
    target: targetOf(candidate, account),
  }));
}

/** The URL of the account to use, where records are named after it. */
async function accountFor(
  { solvers, issuer }: CertificateRequest,
  { store, ca, accountId }: IssueTools,
): Promise<string | undefined> {
  if (!solvers.some(({ challenge }) => challenge === "dns-account-01")) return undefined;
  const stored = await store.accounts.ofDirectory(issuer.server);
  const url = stored.find(({ id }) => accountId === undefined || id === accountId)?.url;
  if (url === undefined) throw noAccount("dns-account-01", ca.flags);
  return url;
}

/** Every solver of the request with every name, and why it fits or not. Each setting carries the DNS setting in force for it. */
export async function selectAll(
  request: CertificateRequest,
  { solvers }: Pick<IssueTools, "solvers">,
): Promise<readonly Selected[]> {
  const loaded = await Promise.all(
    request.solvers.map(async (given) => {
      const setting = { ...given, dns: { ...request.dns, ...given.dns } };
      return { setting, plugin: await solvers.plugin(setting) };
    }),
  );
  return request.identifiers.flatMap((identifier) =>
    selectSolvers(identifier, request.labels, loaded),
  );
}

function assertServed({ identifiers }: CertificateRequest, selected: readonly Selected[]): void {
  const unserved = identifiers.flatMap((identifier) => {
    const all = selected.filter((one) => one.identifier === identifier);
    return all.some(({ challengeTypes }) => challengeTypes.length > 0)
      ? []
      : [{ name: identifier.value, why: all.map((one) => `${one.setting.name}: ${one.reason}`) }];
  });
  if (unserved.length === 0) return;
  const reasons = unserved.map(
    ({ name, why }) => `${name} (${why.join("; ") || "no solver is configured"})`,
  );
  throw new Problem("usage", {
    title: "No solver can prove a name",
    detail: `No solver can answer for ${reasons.join(", and none for ")}.`,
    hint: unserved.some(({ name }) => name.startsWith("*."))
      ? "A wildcard needs a dns-01 solver, e.g. --solver route53; `acmectl solvers list` shows them all."
      : "Choose one with --solver NAME, omit --challenge if it is set, or widen its `select` in the config; `acmectl solvers list` shows them all.",
  });
}

/** What the CA calls a wildcard is the name without `*.` (RFC 8555 §7.1.4). */
function targetOf(
  { identifier, challengeTypes, solver: { setting } }: Candidate & Pick<Choice, "challengeTypes">,
  account: string | undefined,
): Target {
  const value = identifier.value.replace(/^\*\./, "");
  const wildcard = value !== identifier.value;
  const [challengeType] = challengeTypes;
  const target: Target = { identifier: { ...identifier, value }, wildcard, challengeType };
  const byDns = challengeTypes.find((type) => type === "dns-01" || type === "dns-persist-01");
  if (byDns === undefined) return target;
  const owner = setting.challenge === "dns-account-01" ? account : undefined;
  return { ...target, validationName: validationNameOf(byDns, value, owner) };
}

/**
 * Follow CNAMEs where dns-01 is used, and let the best solver of each name check itself before an order exists. A solver is
 * asked only about those names that it is to answer for.
 */
export async function preflight(
  choices: readonly Choice[],
  tools: IssueTools,
): Promise<readonly Choice[]> {
  const follow = followOnce(tools);
  const usable = await fallBack(
    choices,
    "preflight",
    async (best) => {
      const astray = await failuresOf(best, follow);
      const reached = best.filter((choice) => !astray.has(choice));
      const targets = new Map(
        await Promise.all(reached.map(async (one) => [one, (await follow(one)).target] as const)),
      );
      return new Map([...astray, ...(await checkSolvers(targets, tools.signal))]);
    },
    tools,
  );
  return readyOnes(usable, tools, follow);
}

/** Each solver checks itself once, for all of its names. Answers those that it cannot serve, and why. */
export async function checkSolvers<T extends { readonly solver: OpenSolver }>(
  targets: ReadonlyMap<T, Target>,
  signal: AbortSignal,
): Promise<ReadonlyMap<T, unknown>> {
  const failures = new Map<T, unknown>();
  for (const [{ solver, setting }, batch] of Map.groupBy(
    [...targets.keys()],
    ({ solver }) => solver,
  )) {
    try {
      await solver.preflight?.(
        batch.flatMap((one) => targets.get(one) ?? []),
        { signal },
      );
    } catch (error) {
      signal.throwIfAborted();
      const problem = solverProblem(`Solver ${setting.name} did not pass its own check`, error);
      for (const choice of batch) failures.set(choice, problem);
    }
  }
  return failures;
}

type Follow = (choice: Choice) => Promise<Choice>;

/** Where the CNAMEs of a validation name lead, asked and reported once, however many solvers could answer for it. */
function followOnce({ dns, record, signal }: IssueTools): Follow {
  const known = new Map<Dns, Map<string, Promise<string>>>();
  const ask = async (name: string, by: Dns) => {
    const { name: target, warnings } = await by.follow(name, signal).catch((error: unknown) => {
      signal.throwIfAborted();
      if (!Problem.is(error)) throw error;
      throw error.with({ detail: `Could not follow the CNAMEs of ${name}. ${error.message}` });
    });
    for (const warning of warnings) record.log("preflight", name).warn(warning);
    if (target !== name) record.log("preflight", name).info(`${name} is delegated to ${target}`);
    return target;
  };
  return async (choice) => {
    const { target, solver } = choice;
    const { validationName } = target;
    if (validationName === undefined) return choice;
    const { dns: setting = {} } = solver.setting;
    if (setting.cname === "none")
      return { ...choice, target: { ...target, recordName: validationName } };
    const by = dns(setting);
    const names = known.get(by) ?? new Map<string, Promise<string>>();
    const asked = names.get(validationName) ?? ask(validationName, by);
    known.set(by, names.set(validationName, asked));
    return { ...choice, target: { ...target, recordName: await asked } };
  };
}

async function failuresOf<T>(all: readonly T[], work: (one: T) => Promise<unknown>) {
  const results = await Promise.allSettled(all.map(work));
  return new Map(
    results.flatMap((result, index) => {
      const one = all[index];
      return result.status === "rejected" && one !== undefined
        ? [[one, result.reason as unknown] as const]
        : [];
    }),
  );
}

/** All that are left of each name, made ready. Later ones that fail are left out: their turn may never come. */
async function readyOnes<T extends Candidate, R>(
  usable: readonly (readonly T[])[],
  { record }: IssueTools,
  ready: (candidate: T) => Promise<R>,
): Promise<readonly R[]> {
  const wrong = new Map<string, unknown>();
  const results = usable.flat().map(async (candidate) => {
    try {
      return [await ready(candidate)];
    } catch (error) {
      const { identifier, solver } = candidate;
      const text = `solver ${solver.setting.name} cannot be used for ${identifier.value}: ${messageOf(error)}`;
      record.log("preflight", identifier.value).debug(text);
      if (!mayPass(error)) wrong.set(solver.setting.name, error);
      return [];
    }
  });
  const made = (await Promise.all(results)).flat();
  // Nothing is lost today, but on the day when the first solver fails.
  for (const [name, error] of wrong)
    record.log("preflight").warn(`solver ${name} could not take over: ${messageOf(error)}`);
  return made;
}

/** One solver that may answer for a name. */
export interface Candidate {
  /** As ordered, a wildcard with its `*.`. */
  readonly identifier: Identifier;
  readonly solver: { readonly setting: SolverSetting };
}

/** A name that is not done, its candidates left, best first, and what the first of all failed with. */
interface Open<T> {
  readonly left: readonly T[];
  readonly first?: { readonly error: unknown };
}

/**
 * Try the best candidate of every name, and where it fails the next one, until each name has one that succeeds. Returns the
 * candidates that are left of each name, beginning with the one that succeeded. A failure that waiting or another provider may
 * get past leads to the next candidate. Wrong options and credentials do not: a warning would hide them until no other solver
 * is left.
 */
export async function fallBack<T extends Candidate>(
  candidates: readonly T[],
  step: string,
  attempt: (best: readonly T[]) => Promise<ReadonlyMap<T, unknown>>,
  tools: Pick<IssueTools, "record" | "signal">,
): Promise<readonly (readonly [T, ...T[]])[]> {
  const done = new Map<string, readonly [T, ...T[]]>();
  const byName = Map.groupBy(candidates, ({ identifier }) => identifier.value);
  let open: readonly Open<T>[] = [...byName.values()].map((left) => ({ left }));
  while (open.length > 0) {
    const best = open.flatMap(({ left }) => left.slice(0, 1));
    const failures = await attempt(best);
    tools.signal.throwIfAborted();
    for (const {
      left: [tried, ...rest],
    } of open)
      if (tried !== undefined && !failures.has(tried))
        done.set(tried.identifier.value, [tried, ...rest]);
    open = nextCandidates(open, failures, step, tools);
  }
  return [...byName.keys()].flatMap((name) => {
    const left = done.get(name);
    return left === undefined ? [] : [left];
  });
}

/** The names whose best candidate failed, with those that are left. A name with none left fails as its first candidate did. */
function nextCandidates<T extends Candidate>(
  open: readonly Open<T>[],
  failures: ReadonlyMap<T, unknown>,
  step: string,
  { record }: Pick<IssueTools, "record">,
): readonly Open<T>[] {
  const failed = open.flatMap(({ left: [tried, ...left], first }) => {
    if (tried === undefined || !failures.has(tried)) return [];
    const error = failures.get(tried);
    return [{ tried, error, left: mayPass(error) ? left : [], first: first ?? { error } }];
  });
  for (const { tried, error, left, first } of failed) {
    if (left.length === 0 && first.error === error) continue;
    const { value } = tried.identifier;
    const next =
      left[0] === undefined ? "no other is left" : `trying ${left[0].solver.setting.name}`;
    const text = `solver ${tried.solver.setting.name} failed for ${value}: ${messageOf(error)}; ${next}`;
    record.log(step, value).warn(text);
  }
  const lost = failed.filter(({ left }) => left.length === 0);
  if (lost.length > 0) {
    throw combined(
      lost.map(({ error, first }) => (mayPass(error) ? first.error : error)),
      "solver",
    );
  }
  return failed;
}

/** False for wrong options and credentials, and for a bug: another solver would only hide them. */
function mayPass(error: unknown): boolean {
  return Problem.is(error) && error.exitCode !== 2;
}
