import { randomBytes } from "node:crypto";
import type { Authorization } from "../../acme/acme.ts";
import { thumbprint } from "../../acme/keys.ts";
import type { CertificateRequest } from "../../certificate.ts";
import type { Challenge } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import {
  computeChallenges,
  noAccount,
  offeredType,
  type Applicant,
  type Choice,
  type PendingChallenge,
} from "./challenges.ts";
import { choose, preflight } from "./choose.ts";
import { openJournal, type Presented } from "../journal.ts";
import { cleanUp, present, waitUntilVisible } from "./solve.ts";
import type { IssueTools } from "../tools.ts";

/** How one name fared. */
export interface Rehearsed {
  readonly challenge: Challenge;
  readonly solver: string;
  /** `unseen`: presented, but nothing on this machine could look at it. */
  readonly outcome: "visible" | "unseen" | "failed";
  /** Why it was not seen, if there is a specific reason. */
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
  const choices = await preflight(await choose(request, tools), tools);
  return whilePresented(choices, tools, async (challenges, presented, failures) => {
    const seen = await waitUntilVisible(presented, request, tools);
    const all = new Map([...failures, ...seen.failures]);
    return challenges.map((one) => outcomeOf(one, all, seen.unseen.get(one)?.saw));
  });
}

/** Present a random challenge for each name by its first choice, do `look`, and clean up. */
export async function whilePresented<T>(
  choices: readonly Choice[],
  tools: IssueTools,
  look: (
    challenges: readonly PendingChallenge[],
    presented: readonly Presented[],
    failures: ReadonlyMap<PendingChallenge, unknown>,
  ) => Promise<T>,
): Promise<T> {
  const { store, signal, lockTimeout } = tools;
  const byName = [...Map.groupBy(choices, ({ identifier }) => identifier.value).values()];
  const applicant = await applicantFor(choices, tools);
  const offered = computeChallenges(byName.map(inventedFor), choices, applicant);
  const best = Map.groupBy(offered, ({ authorization }) => authorization);
  const challenges = [...best.values()].flatMap((all) => all.slice(0, 1));
  const lock = await store.lock(`certificate:${journalName}`, { wait: lockTimeout, signal });
  try {
    const journal = await openJournal(journalName, tools);
    try {
      const { presented, failures } = await present(challenges, journal, tools);
      return await look(challenges, presented, failures);
    } finally {
      await cleanUp(journal, tools);
      await journal.end();
    }
  } finally {
    await lock.release();
  }
}

/** A CA is asked only where records name it. */
async function applicantFor(
  choices: readonly Choice[],
  { ca, store, signal }: IssueTools,
): Promise<Applicant> {
  if (!choices.some(({ challengeTypes }) => challengeTypes.includes("dns-persist-01")))
    return { thumbprint: random() };
  const [account] = await store.accounts.ofDirectory(ca.url);
  if (account?.url === undefined) throw noAccount("dns-persist-01", ca.flags);
  const { key, url } = account;
  return { thumbprint: thumbprint(key), url, directory: await ca.directory(signal) };
}

/** Before another way to prove the names is stored: the first failure rejects, and what is stored stays. */
export async function rehearseChange(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<void> {
  tools.record.log("rehearsal").info("trying the changed solvers before renewals use them");
  const failure = await firstFailure(request, tools);
  if (!Problem.is(failure)) return;
  throw failure.with({
    detail: `The changed solver failed when it was tried, so renewals keep the old one. ${failure.message}`,
  });
}

/** The Problem, if any; anything else is thrown. */
async function firstFailure(request: CertificateRequest, tools: IssueTools): Promise<unknown> {
  try {
    const failed = (await rehearse(request, tools)).find(({ outcome }) => outcome === "failed");
    if (failed !== undefined) throw failed.failure;
    return undefined;
  } catch (error) {
    tools.signal.throwIfAborted();
    if (Problem.is(error)) return error;
    throw error;
  }
}

function outcomeOf(
  pending: PendingChallenge,
  failures: ReadonlyMap<PendingChallenge, unknown>,
  why: string | undefined,
): Rehearsed {
  const { challenge, solver } = pending;
  const done = { challenge, solver: solver.setting.name };
  if (failures.has(pending)) return { ...done, outcome: "failed", failure: failures.get(pending) };
  return why === undefined ? { ...done, outcome: "visible" } : { ...done, outcome: "unseen", why };
}

/** What a CA would send for the name, in every challenge type. */
function inventedFor(choices: readonly [Choice, ...Choice[]] | readonly Choice[]): Authorization {
  const [first] = choices;
  if (first === undefined) throw new Error("a name without a solver");
  const { target, identifier } = first;
  return {
    url: identifier.value,
    status: "pending",
    identifier: target.identifier,
    wildcard: target.wildcard,
    challenges: choices
      .flatMap(({ challengeTypes, solver }) =>
        challengeTypes.map((type) => offeredType(type, solver.setting)),
      )
      .map((type) => ({
        url: "none",
        type,
        status: "pending",
        token: random(),
      })),
  };
}

function random(): string {
  return randomBytes(32).toString("base64url");
}
