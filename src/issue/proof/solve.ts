import type { AccountSession } from "../../acme/acme.ts";
import type { CertificateRequest } from "../../certificate.ts";
import { messageOf } from "../../errors.ts";
import { openGroup, shortList, timeOf, warnAll } from "../../many-names.ts";
import type { Call, Target } from "../../plugin.ts";
import { combined, Problem } from "../../problem.ts";
import { solverProblem } from "../../solvers/bounded.ts";
import { cleanUpBy, type OpenSolver } from "../../solvers/open.ts";
import type { PendingChallenge } from "./challenges.ts";
import { checkSolvers, fallBack } from "./choose.ts";
import type { OrderJournal, Presented } from "../journal.ts";
import { checkStanding } from "./standing.ts";
import { dnsWaiting, reportRecords, waitForTxt, type SeenRecord } from "./propagation.ts";
import { checkWhenLive, type Unseen } from "./self-check.ts";
import type { IssueTools } from "../tools.ts";

/**
 * Breadth first: present all, wait until all are visible, respond to all, poll all. A solver that fails before the CA was asked
 * makes room for the next one; once the CA was asked, its word is final. Cleans up after a failure only.
 */
export async function prove(
  challenges: readonly PendingChallenge[],
  request: CertificateRequest,
  session: AccountSession,
  journal: OrderJournal,
  tools: IssueTools,
): Promise<void> {
  if (challenges.length === 0) return;
  const { record, signal } = tools;
  const unseen = new Map<PendingChallenge, Unseen>();
  let isFirstTurn = true;
  try {
    const usable = await fallBack(
      challenges,
      "present",
      async (best) => {
        // The first candidates were checked before the order; each later one is when its turn comes.
        const targets = new Map(best.map((one) => [one, targetOf(one)] as const));
        const unfit = isFirstTurn ? none : await checkSolvers(targets, signal);
        isFirstTurn = false;
        const fit = best.filter((one) => !unfit.has(one));
        const { presented, failures } = await present(fit, journal, tools);
        const seen = await waitUntilVisible(presented, request, tools);
        for (const [challenge, why] of seen.unseen) unseen.set(challenge, why);
        const warnings = [...seen.unseen].map(([{ identifier }, { text }]) => {
          return { name: identifier.value, text };
        });
        warnAll(warnings, (name) => record.log("self-check", name));
        const all = new Map<PendingChallenge, unknown>([...unfit, ...failures, ...seen.failures]);
        for (const [challenge, error] of all) record.failed(challenge, error);
        return all;
      },
      tools,
    );
    const visible = usable.map(([challenge]) => challenge);
    const count = `${visible.length} name${visible.length === 1 ? "" : "s"}`;
    record.log("validation").info(`asking the CA to validate ${count}`);
    await validate(visible, unseen, session, tools);
  } catch (error) {
    await cleanUp(journal, tools);
    throw error;
  }
}

const none: ReadonlyMap<PendingChallenge, unknown> = new Map();

export function targetOf({ challenge }: Pick<PendingChallenge, "challenge">): Target {
  const { identifier, wildcard } = challenge;
  if (!("recordName" in challenge)) return { identifier, wildcard };
  const { validationName, recordName } = challenge;
  return { identifier, wildcard, validationName, recordName };
}

type Tools = Pick<IssueTools, "record" | "signal">;

/** Present all; each solver in one call where it has one for many. The journal has them before, and their receipts after. */
export async function present(
  challenges: readonly PendingChallenge[],
  journal: Pick<OrderJournal, "presenting" | "received">,
  { record, signal }: Tools,
): Promise<{
  readonly presented: readonly Presented[];
  readonly failures: ReadonlyMap<PendingChallenge, unknown>;
}> {
  const presented: Presented[] = [];
  const failures = new Map<PendingChallenge, unknown>();
  await journal.presenting(challenges);
  const each: Each = async (batch, call) => {
    try {
      const receipts = await call();
      for (const [index, challenge] of batch.entries()) {
        presented.push({ challenge, receipt: receipts[index] });
        await journal.received(challenge, receipts[index]);
        record.presented(challenge);
      }
    } catch (error) {
      for (const one of batch) {
        const { identifier } = one.challenge;
        const what = `Solver ${one.solver.setting.name} could not present ${one.offered.type} for ${identifier.value}`;
        failures.set(one, solverProblem(what, error, identifier));
      }
    }
  };
  const runs = [...Map.groupBy(challenges, ({ solver }) => solver)].map(async ([solver, batch]) => {
    const what = `presenting ${batch[0]?.offered.type} for ${namesOf(batch)} by ${solver.setting.name}`;
    record.log("present").info(what);
    const propagationTimeout = solver.setting.dns?.timeout ?? dnsWaiting.timeout;
    await inBatches(solver, batch, each, { signal, propagationTimeout });
  });
  const results = await Promise.allSettled(runs);
  signal.throwIfAborted();
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return { presented, failures };
}

type Each = (
  batch: readonly PendingChallenge[],
  call: () => Promise<readonly unknown[]>,
) => Promise<void>;

async function inBatches(
  { solver, limit }: OpenSolver,
  batch: readonly PendingChallenge[],
  each: Each,
  call: Call,
): Promise<void> {
  if (solver.presentAll !== undefined && batch.length > 1) {
    const challenges = batch.map(({ challenge }) => challenge);
    const all = async () => (await solver.presentAll?.(challenges, call)) ?? [];
    await each(batch, () => limit(all, call.signal));
    return;
  }
  const one = ({ challenge }: PendingChallenge) =>
    limit(async () => [await solver.present(challenge, call)], call.signal);
  await Promise.all(batch.map((challenge) => each([challenge], () => one(challenge))));
}

export interface Seen {
  readonly failures: ReadonlyMap<PendingChallenge, unknown>;
  /** What this machine could not look at, and why. The CA may see it anyway. */
  readonly unseen: ReadonlyMap<PendingChallenge, Unseen>;
}

/**
 * The only waiting loop: until every response is where the CA will look. A dns-01 value must be at every server that answers;
 * any other response is looked at once, unless its solver says that it takes a while, and only a wrong answer, not an unreachable
 * one, is a failure.
 */
export async function waitUntilVisible(
  presented: readonly Presented[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<Seen> {
  const failures = new Map<PendingChallenge, unknown>();
  const unseen = new Map<PendingChallenge, Unseen>();
  const records = presented.filter(({ challenge }) => challenge.challenge.type === "dns-01");
  const group = openGroup(records.length, tools.clock);
  const seen: SeenRecord[] = [];
  await Promise.all(
    presented.map(async (item) => {
      const { challenge } = item.challenge;
      try {
        if (challenge.type === "dns-01") {
          const record = await waitForTxt(item, challenge, group, tools);
          if (record !== undefined) seen.push(record);
        }
        if (challenge.type === "dns-01" || request.selfCheck === false) return;
        const why = await (challenge.type === "dns-persist-01"
          ? checkStanding(item.challenge, challenge, tools)
          : checkWhenLive(item, challenge, request, tools));
        if (why !== undefined) unseen.set(item.challenge, why);
      } catch (error) {
        failures.set(item.challenge, error);
      } finally {
        if (challenge.type === "dns-01") group.left -= 1;
      }
    }),
  );
  tools.signal.throwIfAborted();
  if (seen.length > 0) reportRecords(seen, tools.record);
  return { failures, unseen };
}

/** Milliseconds until the CA has to have looked. */
const timeout = 10 * 60_000;

async function validate(
  challenges: readonly PendingChallenge[],
  unseen: ReadonlyMap<PendingChallenge, Unseen>,
  session: AccountSession,
  { signal, record, clock }: IssueTools,
): Promise<void> {
  const log = record.log("validation");
  const total = challenges.length;
  const group = openGroup(total, clock);
  const open = new Set(challenges);
  const onWait = (waited: number) => {
    if (!group.mayReport("wait", { later: true })) return;
    const [first] = open;
    const more = open.size - 1;
    const others = more < 1 ? "" : ` and ${more} other ${more === 1 ? "name" : "names"}`;
    const what = `waiting for the CA to validate ${first?.identifier.value}${others}`;
    log.info(`${what}, ${timeOf(waited, timeout)}`);
  };
  const results = await Promise.allSettled(
    challenges.map(async (challenge) => {
      try {
        // A run that was stopped has asked already; some CAs refuse to be asked twice.
        if (challenge.offered.status !== "processing")
          await session.respond(challenge.offered, signal);
        await session.waitForAuthorization(challenge.authorization, { signal, timeout, onWait });
      } catch (error) {
        record.refused(challenge, error);
        const hint = unseen.get(challenge)?.hint;
        const hinted = hint !== undefined && Problem.is(error) && error.is("validation");
        throw hinted ? error.with({ hint }) : error;
      } finally {
        open.delete(challenge);
      }
      record.validated(challenge);
      group.left -= 1;
      if (group.left > 0 && group.mayReport("validated", { later: true }))
        log.info(`the CA has validated ${total - group.left} of ${total} names`);
    }),
  );
  signal.throwIfAborted();
  const done = group.isOne ? challenges[0]?.identifier.value : `${total} names`;
  if (group.left === 0) log.info(`the CA has validated ${done}`);
  const errors = results.flatMap((result): readonly unknown[] =>
    result.status === "rejected" ? [result.reason] : [],
  );
  if (errors.length > 0) throw combined(errors, "validation");
}

/** Milliseconds for all clean-ups together. */
const longest = 30_000;
/** The same after Ctrl-C: neither a person nor a service manager waits longer. */
const afterStop = 10_000;

/** Clean up all that the journal has as presented, on a signal and deadline of its own. A failure warns, stays in the journal and hides nothing. */
export async function cleanUp(journal: OrderJournal, tools: Tools): Promise<void> {
  const presented = journal.presented();
  if (presented.length === 0) return;
  const deadline = new AbortController();
  // Not AbortSignal.timeout: its timer does not keep a process alive that waits for nothing else.
  const timer = setTimeout(
    () => deadline.abort(new Error("it did not end in time")),
    tools.signal.aborted ? afterStop : longest,
  );
  const items = presented.map(({ challenge: pending, receipt }) => {
    return { pending, challenge: pending.challenge, receipt };
  });
  const log = tools.record.log("cleanup");
  const lost = await journal.assertOwn().catch((error: unknown) => error);
  if (Problem.is(lost) && lost.is("locked")) {
    clearTimeout(timer);
    return log.warn(`another run cleans up: ${lost.message}`);
  }
  const bySolver = Map.groupBy(items, ({ pending }) => pending.solver);
  const runs = [...bySolver].map(([{ solver, limit, setting }, all]) =>
    cleanUpBy(solver, all, { signal: deadline.signal }, async (batch, work) => {
      const challenges = batch.map(({ pending }) => pending);
      try {
        await limit(work);
        await journal.cleaned(challenges);
        log.debug(`cleaned up after ${namesOf(challenges)}`);
      } catch (error) {
        log.warn(
          `${setting.name} could not clean up after ${namesOf(challenges)}: ${messageOf(error)}; the next run tries again`,
        );
      }
    }),
  );
  await Promise.all(runs).finally(() => clearTimeout(timer));
}

function namesOf(challenges: readonly PendingChallenge[]): string {
  return shortList(challenges.map(({ identifier }) => identifier.value));
}
