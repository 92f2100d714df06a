import { messageOf } from "../errors.ts";
import type { SolverSetting } from "../certificate.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { IssueTools } from "./tools.ts";

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
 * Try the best candidate of every name, and where it fails the next one, until each name has one that succeeds. Answers those
 * that did. What waiting or another provider may get past makes room for the next candidate; wrong options and credentials do
 * not, for a warning would hide them until there is no other solver left.
 */
export async function fallBack<T extends Candidate>(
  candidates: readonly T[],
  step: string,
  attempt: (best: readonly T[]) => Promise<ReadonlyMap<T, unknown>>,
  tools: Pick<IssueTools, "record" | "signal">,
): Promise<readonly T[]> {
  const done: T[] = [];
  const byName = Map.groupBy(candidates, ({ identifier }) => identifier.value);
  let open: readonly Open<T>[] = [...byName.values()].map((left) => ({ left }));
  while (open.length > 0) {
    const best = open.flatMap(({ left }) => left.slice(0, 1));
    const failures = await attempt(best);
    tools.signal.throwIfAborted();
    done.push(...best.filter((candidate) => !failures.has(candidate)));
    open = nextCandidates(open, failures, step, tools);
  }
  return done;
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

/** One failure stands for itself; several become one Problem with a subproblem each (RFC 8555 §6.7.1). */
export function combined(errors: readonly unknown[], kind: "solver" | "validation"): unknown {
  const distinct = [...new Set(errors)];
  const problems = distinct.filter((error) => Problem.is(error));
  const [first] = problems;
  if (problems.length < distinct.length) return distinct.find((error) => !Problem.is(error));
  if (first === undefined || problems.length === 1) return first;
  const worst = problems.find(({ exitCode }) => exitCode !== 7) ?? first;
  return new Problem(worst.exitCode === 7 ? kind : worst.document.type, {
    title: `${problems.length} names failed`,
    detail: problems.map(({ message }) => message).join("\n"),
    subproblems: problems.flatMap(({ document }) => document.subproblems ?? [document]),
    exitCode: worst.exitCode,
    retryable: problems.some(({ retryable }) => retryable),
    hint: worst.hint,
    retryAt: worst.retryAt,
    cause: first,
  });
}
