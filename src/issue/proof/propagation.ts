import type { DnsSetting } from "../../certificate.ts";
import { adviceOn, type Look, type ServerAnswer } from "../../dns/dns.ts";
import { messageOf } from "../../errors.ts";
import { timeOf, warnAll, type Group } from "../../many-names.ts";
import type { Dns01Challenge, Log } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { PendingChallenge } from "./challenges.ts";
import type { Presented } from "../journal.ts";
import type { AttemptRecord } from "../record.ts";
import type { IssueTools } from "../tools.ts";

/** Milliseconds. Two minutes cover what most providers take; a solver's or the request's own setting goes before them. */
export const dnsWaiting = { timeout: 120_000, interval: 2_000 } as const;

/** Wait until the value is at every server that answers; undefined if nothing was looked at. */
export async function waitForTxt(
  item: Presented,
  challenge: Dns01Challenge,
  group: Group,
  tools: IssueTools,
): Promise<SeenRecord | undefined> {
  const { clock, signal } = tools;
  const { identifier, solver } = item.challenge;
  const setting = solver.setting.dns ?? {};
  const log = tools.record.log("propagation", identifier.value);
  const { recordName: at } = challenge;
  if (setting.wait !== undefined) {
    const what = group.isOne ? at : `${group.left} DNS records`;
    if (group.mayReport(`wait ${setting.wait}`))
      log.info(`waiting ${seconds(setting.wait)} for ${what} without checking the DNS`);
    await clock.sleep(setting.wait, signal);
    return undefined;
  }
  const look = await lookUntilSeen(item, challenge, { log, group }, tools);
  if (setting.settle !== undefined && setting.settle > 0) await clock.sleep(setting.settle, signal);
  return { at, name: identifier.value, doubt: look.verdict === "everywhere" ? "" : seenAt(look) };
}

/**
 * Look until every server shows the value. Servers that do not answer are waited for a while, and then left out: resolvers
 * get past them, and so does the CA.
 */
async function lookUntilSeen(
  item: Presented,
  challenge: Dns01Challenge,
  report: Report,
  tools: IssueTools,
): Promise<Look> {
  const { clock, signal } = tools;
  const { timeout, interval, longest } = timingOf(item.challenge.solver.setting.dns);
  const start = clock.monotonic();
  let incomplete = 0;
  let forgets = 0;
  let fallBack = false;
  for (;;) {
    const look = await lookOnce(item, challenge, { fallBack, report }, tools);
    const now = clock.monotonic() - start;
    incomplete = incompleteSince(look, incomplete, now);
    const isOver = now - incomplete >= Math.min(patience, timeout / 2);
    const next: Next = decide(look, isOver, fallBack);
    if (next === "done" && look !== undefined) return look;
    if (next === "fail") throw notVisible(item, challenge, look, 0);
    fallBack ||= next === "ask resolvers";
    if (next === "ask resolvers") continue;
    const remembered = memoryOf(look, longest);
    // Once: a record that is still missing after that is late for another reason.
    if (forgets === 0 && remembered > 0) forgets = now + remembered;
    const pause = Math.max(interval, remembered);
    if (now + pause > Math.max(timeout, forgets)) throw notVisible(item, challenge, look, now);
    reportWait(challenge, look, { now, timeout, pause: pause > interval ? pause : 0 }, report);
    await clock.sleep(pause, signal);
  }
}

interface Report {
  readonly log: Log;
  readonly group: Group;
}

/** At most every 15 seconds, for all records together. `pause` is how long the resolver remembers; 0 if that does not matter. */
function reportWait(
  { recordName }: Dns01Challenge,
  look: Look | undefined,
  { now, timeout, pause }: { now: number; timeout: number; pause: number },
  { log, group }: Report,
): void {
  if (pause > 0) {
    if (group.mayReport("forget"))
      log.info(`waiting ${seconds(pause)} for the resolver's cache to expire`);
  } else if (group.mayReport("wait", { later: true })) {
    const others = group.left < 2 ? "" : ` and ${group.left - 1} other DNS records`;
    const time = timeOf(now, timeout);
    log.info(`waiting for ${recordName}${others}, ${time}: ${countOf(look)}`);
  }
}

function countOf(look: Look | undefined): string {
  if (look === undefined) return "the provider has not completed the change";
  const showing = look.answers.filter(({ state }) => state === "shows").length;
  return `${showing} of ${look.answers.length} servers show the value`;
}

/** A resolver that repeats an old answer is waited for up to an hour, unless a time limit is set. */
function timingOf(setting: DnsSetting = {}) {
  const { timeout = dnsWaiting.timeout, interval = dnsWaiting.interval } = setting;
  return { timeout, interval, longest: setting.timeout ?? 3_600_000 };
}

/** Since when no server lacks the value, but some do not answer; now if that is not so. */
function incompleteSince(look: Look | undefined, before: number, now: number): number {
  const isIncomplete = look?.verdict === "enough" || look?.verdict === "unanswered";
  return isIncomplete ? before : now;
}

type Next = "done" | "wait" | "ask resolvers" | "fail";

/** `isOver`: servers that do not answer were waited for long enough. */
function decide(look: Look | undefined, isOver: boolean, fallBack: boolean): Next {
  if (look === undefined || look.verdict === "missing") return "wait";
  if (look.verdict === "everywhere") return "done";
  const mayPass = isWorthWaiting(look);
  if (mayPass && !isOver) return "wait";
  if (look.verdict === "enough") return "done";
  if (!fallBack) return "ask resolvers";
  return mayPass ? "wait" : "fail";
}

/** Milliseconds that servers which do not answer are waited for while others show the value. */
const patience = 30_000;
/** A refusal stays; silence and SERVFAIL may pass. */
function isWorthWaiting({ answers }: Look): boolean {
  return answers.some(
    ({ state, outcome }) => state === "silent" || (state === "fails" && outcome === "SERVFAIL"),
  );
}

/** How long the resolvers repeat what they answered; 0 if that is too long to wait for. */
function memoryOf(look: Look | undefined, longest: number): number {
  const remembered = Math.max(0, ...(look?.answers ?? []).map(({ remembers = 0 }) => remembers));
  return remembered > longest ? 0 : remembered;
}

/** The provider's own word first, then the DNS; undefined while the provider says that it is not done. */
async function lookOnce(
  { challenge: pending, receipt }: Presented,
  challenge: Dns01Challenge,
  { fallBack, report }: { fallBack: boolean; report: Report },
  { dns, record, signal }: IssueTools,
): Promise<Look | undefined> {
  if (!(await isLive(pending, challenge, receipt, report, signal))) return undefined;
  const { recordName, recordValue, recordType } = challenge;
  const by = dns(pending.solver.setting.dns ?? {});
  const look = await (recordType === "TLSA"
    ? by.lookForTlsa(recordName, recordValue, signal, { fallBack })
    : by.lookForTxt(recordName, recordValue, signal, { fallBack }));
  for (const answer of look.answers) record.check(pending, answer.server, describe(answer));
  return look;
}

/** Where the provider cannot be asked, the DNS alone decides: the record is written. */
async function isLive(
  { solver: { solver, setting } }: PendingChallenge,
  challenge: Dns01Challenge,
  receipt: unknown,
  { log, group }: Report,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    return (await solver.checkPropagation?.(challenge, receipt, { signal })) ?? true;
  } catch (error) {
    signal.throwIfAborted();
    const what = `solver ${setting.name} could not check whether ${challenge.recordName} is live`;
    if (group.mayReport(what))
      log.warn(`${what}: ${messageOf(error)}; checking the name servers only`);
    return true;
  }
}

function notVisible(
  { challenge: { solver } }: Presented,
  { recordName, recordValue, recordType, identifier }: Dns01Challenge,
  look: Look | undefined,
  waited: number,
): Problem {
  const seen =
    look === undefined
      ? `the provider of solver ${solver.setting.name} does not report the change as complete`
      : seenAt(look);
  return new Problem("propagation", {
    title: recordType && `The ${recordType} record is not visible`,
    detail: `The ${recordType ?? "TXT"} value ${recordValue} that solver ${solver.setting.name} wrote at ${recordName} is not visible everywhere${waited > 0 ? ` after ${seconds(waited)}` : ""}: ${seen}.`,
    identifier,
    hint: adviceOn(look?.answers ?? []),
  });
}

/** What the servers answered, those without the value first. */
function seenAt({ answers }: Look): string {
  const bad = answers.filter(({ state }) => state !== "shows" && state !== "unreachable");
  const good = answers.filter(({ state }) => state === "shows").map(({ server }) => server);
  const parts = [
    ...bad.map((answer) => `${answer.server} says ${describe(answer)}`),
    ...(good.length > 0 ? [`${good.join(", ")} shows it`] : []),
  ];
  return parts.join("; ") || "no server could be asked";
}

function describe(answer: ServerAnswer): string {
  if (answer.state === "shows") return "visible";
  return answer.values.length === 0 ? answer.outcome : `other values (${answer.values.join(", ")})`;
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} s`;
}

/** A DNS record that was looked at. */
export interface SeenRecord {
  readonly name: string;
  /** The record's own name. */
  readonly at: string;
  /** Why the CA may not see the value; empty if every server that was asked shows it. */
  readonly doubt: string;
}

export function reportRecords(records: readonly SeenRecord[], record: AttemptRecord): void {
  const sure = records.filter(({ doubt }) => doubt === "");
  const what = sure.length === 1 ? "shows the value" : "show their values";
  const which = sure.length === 1 ? sure[0]?.at : `${sure.length} DNS records`;
  if (sure.length > 0) record.log("propagation").info(`${which} ${what} at every server asked`);
  const unsure = records.filter(({ doubt }) => doubt !== "");
  const warnings = unsure.map(({ name, at, doubt }) => ({ name, text: `${at} ${doubt}` }));
  warnAll(warnings, (name) => record.log("propagation", name));
}
