import type { CertificateRequest, DnsSetting, SolverSetting } from "../certificate.ts";
import type { ChallengeType, Identifier, Target } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { solverProblem } from "../solvers/bounded.ts";
import { selectSolvers, type Choice, type Selection } from "../solvers/select.ts";
import type { OpenSolver } from "../solvers/open.ts";
import type { IssueTools } from "./tools.ts";
import { messageOf } from "../errors.ts";

/** A name of the request with the solvers that may answer for it, best first. */
export interface Assignment {
  /** As ordered, a wildcard with its `*.`. */
  readonly identifier: Identifier;
  readonly candidates: readonly Candidate[];
}
export interface Candidate {
  readonly open: OpenSolver;
  readonly challengeType: ChallengeType;
  readonly target: Target;
}

/** What a wildcard is called by the CA: the name without `*.` (RFC 8555 §7.1.4). */
export function baseOf(identifier: Identifier): Identifier {
  return { ...identifier, value: identifier.value.replace(/^\*\./, "") };
}

/** The DNS setting in force for a solver: its own over the request's. */
export function dnsSettingOf(request: CertificateRequest, setting: SolverSetting): DnsSetting {
  return { ...request.dns, ...setting.dns };
}

/** Choose for every name, offline. A name that no solver can serve is a Problem that says why for each of them. */
export async function selectAll(
  request: CertificateRequest,
  tools: Pick<IssueTools, "solvers">,
): Promise<readonly Selection[]> {
  const plugins = new Map(
    await Promise.all(
      request.solvers.map(
        async (setting) => [setting, await tools.solvers.plugin(setting)] as const,
      ),
    ),
  );
  return request.identifiers.map((identifier) =>
    selectSolvers(identifier, request, (setting) => {
      const plugin = plugins.get(setting);
      if (plugin === undefined) throw new Error(`solver ${setting.name} was not loaded`);
      return plugin;
    }),
  );
}

/** A name with the solvers that may answer for it, created, best first. */
export interface ServedName {
  readonly identifier: Identifier;
  readonly solvers: readonly { readonly open: OpenSolver; readonly challengeType: ChallengeType }[];
}

/** Choose and create the solvers of every name: what can be known of wrong options is told before any request is made. */
export async function serveNames(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly ServedName[]> {
  const selections = await selectAll(request, tools);
  assertServed(selections);
  return Promise.all(
    selections.map(async ({ identifier, choices }) => {
      const opened = choices.map(async ({ setting, challengeType }) => ({
        open: await tools.solvers.open(setting),
        challengeType,
      }));
      return { identifier, solvers: await able(identifier, choices, opened, tools) };
    }),
  );
}

/**
 * Those that can be used, in their order. One that fails makes room for the next, with a warning where it was to be the first;
 * the first failure is told when none is left.
 */
async function able<T>(
  identifier: Identifier,
  choices: readonly Pick<Choice, "setting">[],
  work: readonly Promise<T>[],
  { log, signal }: IssueTools,
): Promise<readonly T[]> {
  const results = await Promise.allSettled(work);
  signal.throwIfAborted();
  const first = results.findIndex(({ status }) => status === "fulfilled");
  const failures = results.flatMap((result, index) =>
    result.status === "rejected" ? [{ index, result }] : [],
  );
  if (first === -1 && failures[0] !== undefined) throw failures[0].result.reason;
  for (const { index, result } of failures) {
    const reason: unknown = result.reason;
    const why = messageOf(reason);
    const text = `solver ${choices[index]?.setting.name} cannot be used for ${identifier.value}: ${why}`;
    if (index < first) log.warn(text, { step: "preflight", identifier: identifier.value });
    else log.debug(text, { step: "preflight", identifier: identifier.value });
  }
  return results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}

/** Follow CNAMEs where dns-01 is used, and let each solver check itself before an order exists. */
export async function assignSolvers(
  names: readonly ServedName[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly Assignment[]> {
  const follow = followOnce(tools);
  const assignments = await Promise.all(
    names.map(async ({ identifier, solvers }) => {
      const candidates = solvers.map(async ({ open, challengeType }) => ({
        open,
        challengeType,
        target: await targetOf(
          identifier,
          challengeType,
          dnsSettingOf(request, open.setting),
          follow,
        ),
      }));
      const choices = solvers.map(({ open }) => open);
      return { identifier, candidates: await able(identifier, choices, candidates, tools) };
    }),
  );
  return preflight(assignments, tools);
}

function assertServed(selections: readonly Selection[]): void {
  const unserved = selections.filter(({ choices }) => choices.length === 0);
  if (unserved.length === 0) return;
  const reasons = unserved.map(({ identifier, rejected }) => {
    const why = rejected.map(({ setting, reason }) => `${setting.name}: ${reason}`).join("; ");
    return `${identifier.value} (${why || "no solver is configured"})`;
  });
  throw new Problem("usage", {
    title: "No solver can prove a name",
    detail: `No solver can answer for ${reasons.join(", and none for ")}.`,
    hint: unserved.some(({ identifier }) => identifier.value.startsWith("*."))
      ? "A wildcard needs a dns-01 solver, e.g. --solver route53; `acmectl solvers list` shows them all."
      : "Choose one with --solver NAME, or widen its `select` in the config; `acmectl solvers list` shows them all.",
  });
}

type Follow = (validationName: string, setting: DnsSetting) => Promise<string>;

/** Where the CNAMEs of a validation name lead, asked and told once, however many solvers could answer for it. */
function followOnce({ dns, log, signal }: IssueTools): Follow {
  const known = new Map<string, Promise<string>>();
  const ask = async (validationName: string, setting: DnsSetting) => {
    const { name } = await dns(setting)
      .follow(validationName, signal)
      .catch((error: unknown) => {
        signal.throwIfAborted();
        if (!Problem.is(error)) throw error;
        throw error.with({
          detail: `Where ${validationName} leads cannot be told. ${error.message}`,
        });
      });
    if (name !== validationName) {
      log.info(`${validationName} is delegated to ${name}`, {
        step: "preflight",
        identifier: validationName,
      });
    }
    return name;
  };
  return (validationName, setting) => {
    const key = JSON.stringify([validationName, setting.resolvers, setting.authoritative]);
    const asked = known.get(key) ?? ask(validationName, setting);
    known.set(key, asked);
    return asked;
  };
}

async function targetOf(
  identifier: Identifier,
  type: ChallengeType,
  setting: DnsSetting,
  follow: Follow,
): Promise<Target> {
  const base = baseOf(identifier);
  const wildcard = base.value !== identifier.value;
  if (type !== "dns-01") return { identifier: base, wildcard };
  const validationName = `_acme-challenge.${base.value}`;
  const recordName =
    setting.cname === "none" ? validationName : await follow(validationName, setting);
  return { identifier: base, wildcard, validationName, recordName };
}

/**
 * Each name's first choice checks itself; where it fails the next one is asked, and the first failure is told when none is
 * left. A solver is asked about those names alone that it is to answer for.
 */
async function preflight(
  assignments: readonly Assignment[],
  tools: IssueTools,
): Promise<readonly Assignment[]> {
  const able = [...assignments];
  const firsts = new Map<Identifier, Failure>();
  let unchecked = [...able.keys()];
  while (unchecked.length > 0) {
    const failures = await checkSolvers(
      unchecked.flatMap((index) => able[index] ?? []),
      tools.signal,
    );
    unchecked = unchecked.filter((index) => {
      const assignment = able[index];
      const failure = failures.get(assignment?.candidates[0]?.open);
      if (assignment === undefined || failure === undefined) return false;
      const { identifier } = assignment;
      const first = firsts.get(identifier) ?? failure;
      firsts.set(identifier, first);
      able[index] = withoutFirst(assignment, failure, first, tools);
      return true;
    });
  }
  return able;
}

interface Failure {
  readonly reason: unknown;
}

async function checkSolvers(assignments: readonly Assignment[], signal: AbortSignal) {
  const failures = new Map<OpenSolver | undefined, Failure>();
  const first = assignments.flatMap(({ candidates: [candidate] }) =>
    candidate === undefined ? [] : [candidate],
  );
  for (const [open, candidates] of Map.groupBy(first, ({ open }) => open)) {
    try {
      await open.solver.preflight?.(
        candidates.map(({ target }) => target),
        { signal },
      );
    } catch (error) {
      signal.throwIfAborted();
      const what = `Solver ${open.setting.name} did not pass its own check`;
      failures.set(open, { reason: solverProblem(what, error) });
    }
  }
  return failures;
}

function withoutFirst(
  { identifier, candidates }: Assignment,
  { reason }: Failure,
  first: Failure,
  { log }: IssueTools,
): Assignment {
  const [failed, ...others] = candidates;
  const [next] = others;
  if (next === undefined && reason === first.reason) throw reason;
  const why = messageOf(reason);
  const then = next === undefined ? "no other is left" : `trying ${next.open.setting.name}`;
  log.warn(
    `solver ${failed?.open.setting.name} cannot be used for ${identifier.value}: ${why}; ${then}`,
    { step: "preflight", identifier: identifier.value },
  );
  if (next === undefined) throw first.reason;
  return { identifier, candidates: others };
}
