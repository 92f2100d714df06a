/** Records that stand in the DNS before a run begins (dns-persist-01): looked at, never written. */
import { judgePersist, ownRecords, type PersistDemand } from "../../acme/account-records.ts";
import { embeddedCa } from "../../acme/presets.ts";
import { dateOf } from "../../dates.ts";
import type { Dns, Look } from "../../dns/dns.ts";
import { quotedWord } from "../../options/words.ts";
import type { DnsPersist01Challenge } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { PendingChallenge } from "./challenges.ts";
import type { Unseen } from "./self-check.ts";
import type { IssueTools } from "../tools.ts";

/** What the name servers show of a record that must stand there. */
export interface Standing {
  readonly verdict: Look["verdict"];
  /** When the record ends; undefined if it does not, or if there is none. */
  readonly until?: Date | undefined;
  /** Server by server, why the record is missing. */
  readonly missing: string;
  /** What the records of the account were made with. */
  readonly flags: readonly PersistFlag[];
}

type PersistFlag = "wildcard" | "until";

/** One look at every authoritative server. */
export async function lookForStanding(
  recordName: string,
  demand: PersistDemand,
  dns: Pick<Dns, "lookForTxt">,
  now: Date,
  signal: AbortSignal,
): Promise<Standing> {
  const isGood = (text: string) => judgePersist([text], demand, now).good;
  const { verdict, answers } = await dns.lookForTxt(recordName, isGood, signal, { fallBack: true });
  const ends = answers.flatMap(({ values, state }) =>
    state === "shows" ? (judgePersist(values, demand, now).until ?? []) : [],
  );
  const missing = answers
    .filter(({ state }) => state !== "shows" && state !== "unreachable")
    .map(({ server, state, values, outcome }) =>
      state === "missing" && values.length > 0
        ? `${server}: ${judgePersist(values, demand, now).why}`
        : `${server}: ${outcome}`,
    );
  const until = ends.length === 0 ? undefined : new Date(Math.min(...ends.map(Number)));
  const own = ownRecords(
    answers.flatMap(({ values }) => values),
    demand,
  );
  const flags = (["wildcard", "until"] as const).filter((flag) => own.some((one) => one[flag]));
  return { verdict, until, missing: missing.join("; ") || "no server could be asked", flags };
}

/** Milliseconds before its end that a record is reported: long enough for those who change DNS by request. */
const notice = 30 * 86_400_000;

/** A warning before a record ends; undefined as long as it is not near. */
export function endingSoon(recordName: string, until: Date | undefined, now: Date) {
  if (until === undefined || until.getTime() - now.getTime() > notice) return undefined;
  return `the record at ${recordName} ends at ${dateOf(until)} (persistUntil); after that the CA does not accept it`;
}

/** Before the CA is asked. A record that is missing is a Problem; one that could not be looked for is not. */
export async function checkStanding(
  { solver: { setting } }: PendingChallenge,
  challenge: DnsPersist01Challenge,
  { dns, ca, record, clock, signal }: IssueTools,
): Promise<Unseen | undefined> {
  const { recordName, identifier, wildcard } = challenge;
  const by = dns(setting.dns ?? {});
  const look = await lookForStanding(recordName, challenge, by, clock.now(), signal);
  const command = persistCommand(
    `${wildcard ? "*." : ""}${identifier.value}`,
    ca.flags,
    look.flags,
  );
  if (look.verdict === "missing") {
    throw new Problem("propagation", {
      title: "The dns-persist-01 record is missing",
      detail: `${recordName} has no TXT record that allows this account to prove ${identifier.value}: ${look.missing}.`,
      identifier,
      hint:
        ca.flags === `--server ${embeddedCa}`
          ? "Look for the record of the real account with `acmectl check`, or rehearse with --dry-run=authorizations: the embedded CA has an account of its own, which no record names."
          : `Print the record with \`${command}\` and add it to the zone, or let a solver write it: add --apply.`,
    });
  }
  const ending = endingSoon(recordName, look.until, clock.now());
  if (ending !== undefined)
    record.log("self-check", identifier.value).warn(`${ending}; replace it: ${command}`);
  if (look.verdict !== "unanswered") return undefined;
  const text = `the name servers of ${recordName} could not be asked (${look.missing})`;
  return { saw: look.missing, text };
}

/** Prints the record of a name, made as the one before was. */
export function persistCommand(
  name: string,
  caFlags: string,
  flags: readonly PersistFlag[] = [],
): string {
  const wildcard = flags.includes("wildcard") && !name.startsWith("*.") ? " --wildcard" : "";
  const until = flags.includes("until") ? " --until 365d" : "";
  return `acmectl account persist ${caFlags} -d ${quotedWord(name)}${wildcard}${until}`;
}
