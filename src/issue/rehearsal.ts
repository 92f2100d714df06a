import { randomBytes } from "node:crypto";
import type { Authorization } from "../acme/acme.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Challenge } from "../plugin.ts";
import { chooseChallenges, type Attempt } from "./challenges.ts";
import { openJournal } from "./journal.ts";
import { present, withdraw, type Published } from "./present.ts";
import { assignSolvers, baseOf, serveNames, type Assignment } from "./targets.ts";
import type { IssueTools } from "./tools.ts";
import { waitUntilVisible } from "./visibility.ts";

/** How one name fared. */
export interface Rehearsed {
  readonly challenge: Challenge;
  readonly solver: string;
  /** `unseen`: presented, but nothing on this machine could look at it. */
  readonly outcome: "visible" | "unseen" | "failed";
  /** Why it was not seen, where more is known than that nothing here looks at this type. */
  readonly why?: string;
  readonly failure?: unknown;
}

const journalName = "solvers-test";

/**
 * All that an order would ask of the solvers, without a CA: preflight, random challenges presented, looked at, cleaned up.
 * The journal holds them meanwhile, so that the next run cleans up if this one dies.
 */
export async function rehearse(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly Rehearsed[]> {
  const { store, signal, timeouts } = tools;
  const lock = await store.lock(`certificate:${journalName}`, { wait: timeouts.lock, signal });
  try {
    const names = await serveNames(request, tools);
    const assignments = await assignSolvers(names, request, tools);
    const pending = chooseChallenges(assignments.map(inventedFor), assignments, random());
    return await showAll(
      pending.flatMap(({ attempts }) => attempts.slice(0, 1)),
      request,
      tools,
    );
  } finally {
    await lock.release();
  }
}

async function showAll(
  attempts: readonly Attempt[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<readonly Rehearsed[]> {
  const journal = openJournal(tools.store, {
    name: journalName,
    directory: "none",
    accountId: "none",
    requestHash: "none",
    startedAt: tools.clock.now().toISOString(),
    presented: [],
  });
  const owed: Published[] = [];
  const unreached = new Map<unknown, string>();
  const noticing = { ...tools, log: noticingLog(tools.log, unreached) };
  try {
    const presented = await present(attempts, journal, owed, tools);
    const { failures } = await waitUntilVisible(presented, request, noticing);
    const all = new Map([...presented.failures, ...failures]);
    return attempts.map((attempt) => outcomeOf(attempt, all, unreached));
  } finally {
    await withdraw(owed, journal, tools);
    await journal.end();
  }
}

/** The self-check warns, with its step and name, of what it could not reach; no CA is asked all the same, as its text says. */
function noticingLog(log: IssueTools["log"], unreached: Map<unknown, string>): IssueTools["log"] {
  return {
    ...log,
    warn(message, fields) {
      if (fields?.["step"] !== "self-check") return log.warn(message, fields);
      const { saw } = fields;
      unreached.set(fields["identifier"], typeof saw === "string" ? saw : message);
    },
  };
}

function outcomeOf(
  attempt: Attempt,
  failures: ReadonlyMap<Attempt, unknown>,
  unreached: ReadonlyMap<unknown, string>,
): Rehearsed {
  const { challenge, open } = attempt;
  const done = { challenge, solver: open.setting.name };
  if (failures.has(attempt)) return { ...done, outcome: "failed", failure: failures.get(attempt) };
  // acmectl itself looks neither at tls-alpn-01 nor, behind some routers, at its own port 80.
  if (challenge.type === "tls-alpn-01") return { ...done, outcome: "unseen" };
  const why = unreached.get(challenge.identifier.value);
  return why === undefined ? { ...done, outcome: "visible" } : { ...done, outcome: "unseen", why };
}

/** What a CA would send for the name, in every challenge type. */
function inventedFor({ identifier, candidates }: Assignment): Authorization {
  const base = baseOf(identifier);
  return {
    url: "none",
    status: "pending",
    identifier: base,
    wildcard: base.value !== identifier.value,
    challenges: candidates.map(({ challengeType }) => ({
      url: "none",
      type: challengeType,
      status: "pending",
      token: random(),
    })),
  };
}

function random(): string {
  return randomBytes(32).toString("base64url");
}
