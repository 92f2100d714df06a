import type { CertificateRequest, DnsSetting } from "../certificate.ts";
import type { Look } from "../dns/dns.ts";
import type { Dns01Challenge } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { solverProblem } from "../solvers/bounded.ts";
import { provenName, type Attempt } from "./challenges.ts";
import type { Presented, Published } from "./present.ts";
import { selfCheckHttp } from "./self-check.ts";
import { dnsSettingOf } from "./targets.ts";
import type { IssueTools } from "./tools.ts";

/** Milliseconds. Two minutes cover what most providers take; a solver's or the request's own setting goes before them. */
const dnsWaiting = { timeout: 120_000, interval: 2_000, settle: 0 } as const;

/**
 * The only waiting loop: until every response is where the CA will look. A dns-01 value must be at every server asked; an
 * http-01 response is looked at once, and only a wrong answer, not an unreachable one, is a failure.
 */
export async function waitUntilVisible(
  presented: Presented,
  request: CertificateRequest,
  tools: IssueTools,
): Promise<{ readonly failures: ReadonlyMap<Attempt, unknown> }> {
  const failures = new Map<Attempt, unknown>();
  await Promise.all(
    presented.published.map(async (item) => {
      try {
        await waitForOne(item, request, tools);
      } catch (error) {
        failures.set(item.attempt, error);
      }
    }),
  );
  tools.signal.throwIfAborted();
  return { failures };
}

async function waitForOne(
  item: Published,
  request: CertificateRequest,
  tools: IssueTools,
): Promise<void> {
  const { challenge, open } = item.attempt;
  if (challenge.type === "dns-01") {
    await waitForTxt(item, challenge, dnsSettingOf(request, open.setting), tools);
  } else if (challenge.type === "http-01" && request.selfCheck !== false) {
    await selfCheckHttp(challenge, request, tools);
  }
}

async function waitForTxt(
  item: Published,
  challenge: Dns01Challenge,
  setting: DnsSetting,
  tools: IssueTools,
): Promise<void> {
  const { clock, signal, log } = tools;
  const fields = { step: "propagation", identifier: provenName(challenge) };
  if (setting.wait !== undefined) {
    log.info(
      `waiting ${seconds(setting.wait)} for ${challenge.recordName} without looking`,
      fields,
    );
    return clock.sleep(setting.wait, signal);
  }
  const {
    timeout = dnsWaiting.timeout,
    interval = dnsWaiting.interval,
    settle = dnsWaiting.settle,
  } = setting;
  const deadline = clock.now().getTime() + timeout;
  for (;;) {
    const look = await lookOnce(item, challenge, setting, tools);
    if (look?.visible === true) break;
    const final = look?.answers.some((answer) => answer.final && !answer.visible) === true;
    if (final || clock.now().getTime() + interval > deadline) {
      throw notVisible(item, challenge, look, final ? 0 : timeout);
    }
    await clock.sleep(interval, signal);
  }
  log.info(`${challenge.recordName} shows the value at every server asked`, fields);
  if (settle > 0) await clock.sleep(settle, signal);
}

/** The provider's own word first, then the DNS; undefined while the provider says that it is not done. */
async function lookOnce(
  { attempt, receipt }: Published,
  challenge: Dns01Challenge,
  setting: DnsSetting,
  { dns, log, signal }: IssueTools,
): Promise<Look | undefined> {
  if (!(await isLive(attempt, challenge, receipt, signal))) return undefined;
  const look = await dns(setting).lookForTxt(challenge.recordName, challenge.recordValue, signal);
  const identifier = provenName(challenge);
  for (const answer of look.answers) {
    const { server } = answer;
    const saw = describe(answer);
    log.debug(`${challenge.recordName} at ${server}: ${saw}`, {
      step: "propagation",
      identifier,
      server,
      saw,
    });
  }
  return look;
}

async function isLive(
  { open }: Attempt,
  challenge: Dns01Challenge,
  receipt: unknown,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await open.solver.checkPropagation?.(challenge, receipt, { signal })) ?? true;
  } catch (error) {
    signal.throwIfAborted();
    const what = `Solver ${open.setting.name} could not tell whether ${challenge.recordName} is live`;
    throw solverProblem(what, error, challenge.identifier);
  }
}

function notVisible(
  { attempt }: Published,
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
      ? `the provider of solver ${attempt.open.setting.name} does not report the change as complete`
      : bad.map((answer) => `${answer.server} says ${describe(answer)}`).join("; ") ||
        "no server could be asked";
  return new Problem("propagation", {
    detail: `The TXT value ${recordValue} that solver ${attempt.open.setting.name} wrote at ${recordName} is not visible everywhere${waited > 0 ? ` after ${seconds(waited)}` : ""}: ${seen}${well === "" ? "" : `; ${well} shows it`}.`,
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
