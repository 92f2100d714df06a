import type { AccountSession } from "../acme/acme.ts";
import { Problem } from "../problem.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Log, LogFields } from "../plugin.ts";
import { told } from "./attempt.ts";
import { fieldsOf, type Attempt, type PendingAuthorization } from "./challenges.ts";
import type { Journal } from "./journal.ts";
import { present, withdraw, type Published } from "./present.ts";
import { waitUntilVisible } from "./visibility.ts";
import type { IssueTools } from "./tools.ts";
import { messageOf } from "../errors.ts";

/**
 * Breadth first: present all, wait until all are visible, respond to all, poll all; clean up whatever happened. A solver
 * that fails before the CA was asked makes room for the next candidate; once the CA was asked its word is final.
 */
export async function solveChallenges(
  pending: readonly PendingAuthorization[],
  request: CertificateRequest,
  session: AccountSession,
  journal: Journal,
  tools: IssueTools,
): Promise<void> {
  if (pending.length === 0) return;
  const published: Published[] = [];
  try {
    const ready = await publish(pending, request, journal, published, tools);
    tools.log.info(`asking the CA to validate ${count(ready.length, "name")}`, {
      step: "validation",
    });
    await validate(ready, session, tools);
  } finally {
    await withdraw(published, journal, tools);
  }
}

/** Present and look, candidate after candidate, until each authorization has one visible response. */
async function publish(
  pending: readonly PendingAuthorization[],
  request: CertificateRequest,
  journal: Journal,
  published: Published[],
  tools: IssueTools,
): Promise<readonly Attempt[]> {
  const ready: Attempt[] = [];
  let open: readonly Open[] = pending.map(({ attempts }) => ({ attempts }));
  while (open.length > 0) {
    const now = open.flatMap(({ attempts }) => attempts.slice(0, 1));
    const shown = await present(now, journal, published, tools);
    const seen = await waitUntilVisible(shown, request, tools);
    const failures = new Map([...shown.failures, ...seen.failures]);
    for (const [attempt, error] of failures) tellFailed(attempt, error, tools.log);
    ready.push(...now.filter((attempt) => !failures.has(attempt)));
    open = nextCandidates(open, failures, tools);
  }
  return ready;
}

/** An authorization without a visible response, and what its first candidate failed with. */
interface Open {
  readonly attempts: readonly Attempt[];
  readonly first?: { readonly reason: unknown };
}

/** For the record alone: the failure itself is told by those who decide what follows from it. */
function tellFailed(attempt: Attempt, error: unknown, log: Log): void {
  const fields = fieldsOf(attempt);
  log.debug(`${fields.solver} has failed for ${fields.identifier}: ${messageOf(error)}`, {
    step: "present",
    ...fields,
    status: "failed",
    problem: told(error),
  });
}

/** What failed, with those that are left to try. Where none is, the failure of the first candidate is what is told. */
function nextCandidates(
  open: readonly Open[],
  failures: ReadonlyMap<Attempt, unknown>,
  { signal, log }: IssueTools,
): readonly Open[] {
  signal.throwIfAborted();
  const failed = open.flatMap(({ attempts: [tried, ...others], first }) => {
    if (tried === undefined || !failures.has(tried)) return [];
    const reason = failures.get(tried);
    return [{ tried, reason, others, first: first ?? { reason } }];
  });
  const lost = failed.filter(({ others }) => others.length === 0);
  for (const { tried, reason, first } of lost) {
    if (first.reason !== reason) tellNext(tried, reason, "no other is left", log);
  }
  if (lost.length > 0)
    throw combined(
      lost.map(({ first }) => first.reason),
      "solver",
    );
  return failed.map(({ tried, reason, others, first }) => {
    tellNext(tried, reason, `trying ${others[0]?.open.setting.name}`, log);
    return { attempts: others, first };
  });
}

function tellNext(tried: Attempt, reason: unknown, next: string, log: Log): void {
  const { solver, identifier } = fieldsOf(tried);
  log.warn(`solver ${solver} failed for ${identifier}: ${messageOf(reason)}; ${next}`, {
    step: "present",
    identifier,
  });
}

async function validate(
  ready: readonly Attempt[],
  session: AccountSession,
  tools: IssueTools,
): Promise<void> {
  const { signal, timeouts, log } = tools;
  const results = await Promise.allSettled(
    ready.map(async (attempt) => {
      const { offered, authorizationUrl: authorization } = attempt;
      const fields = { step: "validation", ...fieldsOf(attempt) };
      try {
        await session.respond(offered, signal);
        await session.waitForAuthorization(authorization, {
          signal,
          timeout: timeouts.authorization,
        });
      } catch (error) {
        log.debug(`the CA has not validated ${fields.identifier}: ${messageOf(error)}`, {
          ...fields,
          ...verdict(error, authorization),
        });
        throw error;
      }
      const status = "valid";
      log.info(`the CA has validated ${fields.identifier}`, { ...fields, authorization, status });
    }),
  );
  const reasons: unknown[] = results.flatMap((result) =>
    result.status === "rejected" ? [result.reason] : [],
  );
  signal.throwIfAborted();
  if (reasons.length > 0) throw combined(reasons, "validation");
}

/** The CA's own words for a challenge, and what they say of its authorization. */
function verdict(error: unknown, authorization: string): LogFields {
  const { subproblems: [reason] = [], ...document } = told(error);
  const { hint } = document;
  if (reason === undefined) return { problem: document };
  const problem = { ...reason, ...(hint === undefined ? {} : { hint }) };
  return { authorization, status: "invalid", problem };
}

/** One failure stands for itself; several become one Problem with a subproblem each (RFC 8555 §6.7.1). */
function combined(reasons: readonly unknown[], kind: "solver" | "validation"): unknown {
  const problems = reasons.filter((reason) => Problem.is(reason));
  const [first] = problems;
  if (problems.length < reasons.length) return reasons.find((reason) => !Problem.is(reason));
  if (first === undefined || problems.length === 1) return first;
  const worst = problems.find(({ exitCode }) => exitCode !== 7) ?? first;
  return new Problem(worst.exitCode === 7 ? kind : worst.document.type, {
    title: `${problems.length} names failed`,
    detail: problems.map(({ message }) => message).join("\n"),
    subproblems: problems.flatMap(({ document }) => document.subproblems ?? [document]),
    exitCode: worst.exitCode,
    hint: worst.hint,
    retryAt: worst.retryAt,
    cause: first,
  });
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}
