import type { CertificateRequest } from "../certificate.ts";
import type { Look } from "../dns/dns.ts";
import type { Dns01Challenge } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { solverProblem } from "../solvers/bounded.ts";
import type { PendingChallenge } from "./challenges.ts";
import type { Presented } from "./journal.ts";
import { selfCheckHttp, type Unseen } from "./self-check.ts";
import type { IssueTools } from "./tools.ts";

/** Milliseconds. Two minutes cover what most providers take; a solver's or the request's own setting goes before them. */
const dnsWaiting = { timeout: 120_000, interval: 2_000 } as const;

export interface Seen {
  readonly failures: ReadonlyMap<PendingChallenge, unknown>;
  /** What this machine could not look at, and why. The CA may see it anyway. */
  readonly unseen: ReadonlyMap<PendingChallenge, Unseen>;
}

/**
 * The only waiting loop: until every response is where the CA will look. A dns-01 value must be at every server asked; an
 * http-01 response is looked at once, and only a wrong answer, not an unreachable one, is a failure.
 */
export async function waitUntilVisible(
  presented: readonly Presented[],
  request: CertificateRequest,
  tools: IssueTools,
): Promise<Seen> {
  const failures = new Map<PendingChallenge, unknown>();
  const unseen = new Map<PendingChallenge, Unseen>();
  await Promise.all(
    presented.map(async (item) => {
      const { challenge } = item.challenge;
      try {
        if (challenge.type === "dns-01") await waitForTxt(item, challenge, tools);
        if (challenge.type !== "http-01" || request.selfCheck === false) return;
        const why = await selfCheckHttp(item.challenge, challenge, request, tools);
        if (why !== undefined) unseen.set(item.challenge, why);
      } catch (error) {
        failures.set(item.challenge, error);
      }
    }),
  );
  tools.signal.throwIfAborted();
  return { failures, unseen };
}

async function waitForTxt(
  item: Presented,
  challenge: Dns01Challenge,
  tools: IssueTools,
): Promise<void> {
  const { clock, signal } = tools;
  const { identifier, solver } = item.challenge;
  const setting = solver.setting.dns ?? {};
  const log = tools.record.log("propagation", identifier.value);
  if (setting.wait !== undefined) {
    log.info(`waiting ${seconds(setting.wait)} for ${challenge.recordName} without looking`);
    return clock.sleep(setting.wait, signal);
  }
  await lookUntilVisible(item, challenge, tools);
  log.info(`${challenge.recordName} shows the value at every server asked`);
  if (setting.settle !== undefined && setting.settle > 0) await clock.sleep(setting.settle, signal);
}

async function lookUntilVisible(
  item: Presented,
  challenge: Dns01Challenge,
  tools: IssueTools,
): Promise<void> {
  const { clock, signal } = tools;
  const { timeout = dnsWaiting.timeout, interval = dnsWaiting.interval } =
    item.challenge.solver.setting.dns ?? {};
  const deadline = clock.monotonic() + timeout;
  for (;;) {
    const look = await lookOnce(item, challenge, tools);
    if (look?.visible === true) return;
    const final = look?.answers.some((answer) => answer.final && !answer.visible) === true;
    if (final || clock.monotonic() + interval > deadline) {
      throw notVisible(item, challenge, look, final ? 0 : timeout);
    }
    await clock.sleep(interval, signal);
  }
}

/** The provider's own word first, then the DNS; undefined while the provider says that it is not done. */
async function lookOnce(
  { challenge: pending, receipt }: Presented,
  challenge: Dns01Challenge,
  { dns, record, signal }: IssueTools,
): Promise<Look | undefined> {
  if (!(await isLive(pending, challenge, receipt, signal))) return undefined;
  const { recordName, recordValue } = challenge;
  const look = await dns(pending.solver.setting.dns ?? {}).lookForTxt(
    recordName,
    recordValue,
    signal,
  );
  for (const answer of look.answers) record.check(pending, answer.server, describe(answer));
  return look;
}

async function isLive(
  { solver: { solver, setting } }: PendingChallenge,
  challenge: Dns01Challenge,
  receipt: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await solver.checkPropagation?.(challenge, receipt, { signal })) ?? true;
  } catch (error) {
    signal.throwIfAborted();
    const what = `Solver ${setting.name} could not tell whether ${challenge.recordName} is live`;
    throw solverProblem(what, error, challenge.identifier);
  }
}

function notVisible(
  { challenge: { solver } }: Presented,
  { recordName, recordValue, identifier }: Dns01Challenge,
  look: Look | undefined,
  waited: number,
): Problem {
  const bad = look?.answers.filter(({ visible, ignored }) => !visible && ignored !== true) ?? [];
  const well = (look?.answers ?? [])
    .filter(({ visible }) => visible)
    .map(({ server }) => server)
    .join(", ");
  const seen =
    look === undefined
      ? `the provider of solver ${solver.setting.name} does not report the change as complete`
      : bad.map((answer) => `${answer.server} says ${describe(answer)}`).join("; ") ||
        "no server could be asked";
  return new Problem("propagation", {
    detail: `The TXT value ${recordValue} that solver ${solver.setting.name} wrote at ${recordName} is not visible everywhere${waited > 0 ? ` after ${seconds(waited)}` : ""}: ${seen}${well === "" ? "" : `; ${well} shows it`}.`,
    identifier,
    hint: hintFor(bad),
  });
}

type Answers = Look["answers"];

function hintFor(bad: Answers): string {
  if (bad.some(({ final }) => final))
    return "Check that the zone is delegated to the servers that the solver writes to.";
  if (
    bad.length > 0 &&
    bad.every(({ outcome, values }) => values.length === 0 && !isMissing(outcome))
  ) {
    return "Those servers do not answer, to the CA neither: mend them or take them out of the zone's delegation. If only this machine cannot reach them, --no-dns-authoritative asks the resolvers instead.";
  }
  return "If the provider is slow, raise --dns-timeout; behind split-horizon DNS give --dns-resolvers, --no-dns-authoritative, or --dns-wait. The same command goes on with the same order.";
}

/** The server is well and has not got the value yet. */
function isMissing(outcome: string): boolean {
  return ["", "NOERROR", "NXDOMAIN"].includes(outcome);
}

function describe(answer: Look["answers"][number]): string {
  if (answer.visible) return "visible";
  return answer.values.length === 0 ? answer.outcome : `other values (${answer.values.join(", ")})`;
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}
