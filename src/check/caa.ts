/** CAA as a CA reads it: RFC 8659, with the parameters of RFC 8657. */
import { parentOf, printable } from "../dns/name.ts";
import type { Reply } from "../dns/dns.ts";
import type { Identifier } from "../plugin.ts";
import { finding, type Finding } from "./finding.ts";

/** Who asks for what, as CAA records see it. */
export interface CaaApplicant {
  /** The names that the CA goes by; empty when they are not known. */
  readonly identities: readonly string[];
  /** Undefined before the account is registered. */
  readonly accountUrl: string | undefined;
  /** Challenge types that may prove the name; empty when they are not known. */
  readonly methods: readonly string[];
}

type Ask = (name: string, unchecked: boolean) => Promise<Reply | undefined>;

/** Climb from the name to the first CAA record set, and judge it. `ask` queries the resolvers for CAA. */
export async function checkCaa(
  { type, value }: Identifier,
  applicant: CaaApplicant,
  ask: Ask,
): Promise<readonly Finding[]> {
  if (type === "ip") return [];
  const isWildcard = value.startsWith("*.");
  for (let name: string | undefined = value.replace(/^\*\./, ""); name; name = parentOf(name)) {
    const reply = await ask(name, false);
    if (reply === undefined) return [silent(value, name)];
    if (reply.rcode !== "NOERROR" && reply.rcode !== "NXDOMAIN")
      return [await broken(value, name, reply.rcode, ask)];
    const records = reply.answers.filter((record) => record.type === "CAA");
    if (records.length === 0) continue;
    const verdict = judge(
      records.map((record) => printable(record.value)),
      isWildcard,
      applicant,
    );
    return verdict === undefined
      ? []
      : [{ ...verdict, name: value, detail: `${name}: ${verdict.detail}` }];
  }
  return [];
}

function silent(value: string, name: string): Finding {
  return finding(
    "unknown",
    value,
    `No DNS resolver answers for the CAA records of ${name}, so it is not known whether they permit the CA.`,
    "Check the network, or give other resolvers with --dns-resolvers.",
  );
}

/** A CA must not issue when it cannot read the records (RFC 8659 §3). */
async function broken(value: string, name: string, rcode: string, ask: Ask): Promise<Finding> {
  const unchecked = await ask(name, true);
  const isDnssec = unchecked?.rcode === "NOERROR" || unchecked?.rcode === "NXDOMAIN";
  return finding(
    "error",
    value,
    isDnssec
      ? `The resolver rejects the CAA answer for ${name} (${rcode}) because its DNSSEC signatures are not valid; a CA then refuses to issue.`
      : `The CAA query for ${name} fails (${rcode}); a CA then refuses to issue.`,
    isDnssec
      ? "Fix the DNSSEC of the zone: sign it again, or correct or remove the DS record at the registrar."
      : "Fix the name servers of the zone: they must answer CAA queries, with an empty answer where the name has none.",
  );
}

interface CaaRecord {
  readonly isCritical: boolean;
  readonly tag: string;
  /** Empty forbids every CA. */
  readonly issuer: string;
  readonly parameters: Readonly<Record<string, string>>;
}

/** Tags that CAs understand, so that they may be critical. */
const known = new Set(["issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone"]);

type Verdict = Omit<Finding, "name">;

function judge(
  texts: readonly string[],
  isWildcard: boolean,
  applicant: CaaApplicant,
): Verdict | undefined {
  const records = texts.map(recordOf);
  const strange = records.find(({ isCritical, tag }) => isCritical && !known.has(tag));
  if (strange !== undefined) {
    return finding(
      "error",
      undefined,
      `The CAA record with the unknown tag "${strange.tag}" is critical, so every CA refuses to issue.`,
      "Remove the record, or clear its critical flag (128).",
    );
  }
  const wild = records.filter(({ tag }) => tag === "issuewild");
  const tag = isWildcard && wild.length > 0 ? "issuewild" : "issue";
  const relevant = tag === "issuewild" ? wild : records.filter((one) => one.tag === "issue");
  if (relevant.length === 0) return undefined;
  const { identities } = applicant;
  if (identities.length === 0) {
    return finding(
      "unknown",
      undefined,
      `Its CAA records permit ${listOf(relevant)}, and this CA does not say by which name it goes in CAA records.`,
      "Look up the CA's CAA identity in its documentation, and check that a record names it.",
    );
  }
  const ours = relevant.filter(({ issuer }) => identities.includes(issuer));
  if (ours.length === 0) {
    return finding(
      "error",
      undefined,
      `Its CAA records permit ${listOf(relevant)} and not this CA (${identities.join(", ")})${isWildcard ? " to issue a wildcard" : ""}.`,
      `Add the record: CAA 0 ${tag} "${identities[0]}"`,
    );
  }
  const faults = ours.map((one) => faultOf(one, applicant));
  return faults.includes(undefined) ? undefined : faults[0];
}

function listOf(records: readonly CaaRecord[]): string {
  const names = [...new Set(records.map(({ issuer }) => issuer))].filter((name) => name !== "");
  return names.length === 0 ? "no CA" : `only ${names.join(", ")}`;
}

/** What the parameters of a record that names this CA demand (RFC 8657). */
function faultOf(
  { parameters }: CaaRecord,
  { accountUrl, methods }: CaaApplicant,
): Verdict | undefined {
  const { accounturi, validationmethods } = parameters;
  if (accounturi !== undefined && accounturi !== accountUrl) {
    const own =
      accountUrl === undefined
        ? "no account is registered here yet"
        : `the account here is ${accountUrl}`;
    return finding(
      "error",
      undefined,
      `Its CAA record permits the account ${accounturi} only, and ${own}.`,
      accountUrl === undefined
        ? "Register the account first (acmectl account register), then put its URL into the record."
        : `Put this account into the record (accounturi=${accountUrl}), or take that account over with acmectl account import.`,
    );
  }
  const permitted = validationmethods?.split(",").map((one) => one.trim());
  if (permitted === undefined || methods.length === 0) return undefined;
  if (methods.some((method) => permitted.includes(method))) return undefined;
  return finding(
    "error",
    undefined,
    `Its CAA record permits validation by ${permitted.join(", ")} only, and the solver uses ${methods.join(", ")}.`,
    `Add ${methods[0]} to validationmethods, or choose a solver for ${permitted.join(" or ")}.`,
  );
}

/** `0 issue ca.example; accounturi=https://…` */
function recordOf(text: string): CaaRecord {
  const [, flags = "0", tag = "", value = ""] = /^(\d+) (\S*) ?([^]*)$/.exec(text) ?? [];
  const [issuer = "", ...rest] = value.split(";").map((part) => part.trim());
  const parameters = rest.flatMap((part) => {
    const [, name, setting] = /^([^\s=]+)\s*=\s*(.*)$/.exec(part) ?? [];
    return name === undefined || setting === undefined ? [] : [[name.toLowerCase(), setting]];
  });
  return {
    isCritical: (Number(flags) & 128) !== 0,
    tag: tag.toLowerCase(),
    issuer: issuer.toLowerCase().replace(/\.$/, ""),
    parameters: Object.fromEntries(parameters),
  };
}
