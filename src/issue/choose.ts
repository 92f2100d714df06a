import type { CertificateRequest } from "../certificate.ts";
import type { Dns } from "../dns/dns.ts";
import { messageOf } from "../errors.ts";
import type { ChallengeType, Identifier, Target } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { solverProblem } from "../solvers/bounded.ts";
import type { OpenSolver } from "../solvers/open.ts";
import { selectSolvers, type Selected } from "../solvers/select.ts";
import { fallBack, type Candidate } from "./fallback.ts";
import type { IssueTools } from "./tools.ts";

/** One way to prove a name. Every name has one or more, best first. */
export interface Choice {
  /** As ordered, a wildcard with its `*.`. */
  readonly identifier: Identifier;
  readonly solver: OpenSolver;
  readonly challengeType: ChallengeType;
  /** What the solver is asked about before an order exists; `recordName` is known after the preflight. */
  readonly target: Target;
}

/** Choose and create the solvers of every name, offline: wrong options are found before any request is made. */
export async function choose(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly Choice[]> {
  const selected = await selectAll(request, tools);
  // `--solver none`: the CA asks for no proof, or says what it asks for.
  if (request.solvers.length > 0) assertServed(request, selected);
  const candidates = selected.flatMap(({ identifier, setting, challengeType }) =>
    challengeType === undefined ? [] : [{ identifier, challengeType, solver: { setting } }],
  );
  const open = ({ solver }: Candidate) => tools.solvers.open(solver.setting);
  const usable = await fallBack(
    candidates,
    "preflight",
    async (best) => failuresOf(best, open),
    tools,
  );
  return usableOnes(candidates, usable, tools, async (candidate) => ({
    ...candidate,
    solver: await open(candidate),
    target: targetOf(candidate),
  }));
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
    return all.some(({ challengeType }) => challengeType !== undefined)
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
      : "Choose one with --solver NAME, or widen its `select` in the config; `acmectl solvers list` shows them all.",
  });
}

/** What the CA calls a wildcard is the name without `*.` (RFC 8555 §7.1.4). */
function targetOf({ identifier, challengeType }: Pick<Choice, "identifier" | "challengeType">) {
  const value = identifier.value.replace(/^\*\./, "");
  const target = { identifier: { ...identifier, value }, wildcard: value !== identifier.value };
  return challengeType === "dns-01"
    ? { ...target, validationName: `_acme-challenge.${value}` }
    : target;
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
  return usableOnes(choices, usable, tools, follow);
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

/** Those that work from the usable one of each name on, made ready. Later ones that fail are left out: their turn may never come. */
async function usableOnes<T extends Candidate, R>(
  candidates: readonly T[],
  usable: readonly T[],
  { record }: IssueTools,
  ready: (candidate: T) => Promise<R>,
): Promise<readonly R[]> {
  const made = [...Map.groupBy(candidates, ({ identifier }) => identifier.value).values()].map(
    (group) => group.slice(group.findIndex((one) => usable.includes(one))),
  );
  const results = made.flat().map(async (candidate) => {
    try {
      return [await ready(candidate)];
    } catch (error) {
      const { identifier, solver } = candidate;
      const text = `solver ${solver.setting.name} cannot be used for ${identifier.value}: ${messageOf(error)}`;
      record.log("preflight", identifier.value).debug(text);
      return [];
    }
  });
  return (await Promise.all(results)).flat();
}
