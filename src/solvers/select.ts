import { domainToASCII } from "node:url";
import type { SolverSelector, SolverSetting } from "../certificate.ts";
import type { ChallengeType, Identifier, SolverPlugin } from "../plugin.ts";

/** A solver of the request with a name. */
export interface Selected {
  /** A wildcard with its `*.`. */
  readonly identifier: Identifier;
  readonly setting: SolverSetting;
  /** What it would answer, best first; empty where it cannot answer for the name. */
  readonly challengeTypes: readonly ChallengeType[];
  /** Why it was chosen or not, for `plan`, `solvers test` and messages. */
  readonly reason: string;
}

/**
 * Which solvers may answer for `identifier`, in the order to try them: exact names before the longest zone before labels before no
 * selector, then the order of the file. All that a selector names must match. Those that cannot come last.
 */
export function selectSolvers(
  identifier: Identifier,
  labels: Labels,
  solvers: readonly { readonly setting: SolverSetting; readonly plugin: SolverPlugin }[],
): readonly Selected[] {
  const ranked = solvers.map(({ setting, plugin }) => {
    const match = matchSelector(setting, identifier.value, labels);
    const answered = answeredTypes(setting, plugin);
    const challengeTypes = answered.filter((type) => canServe(type, identifier));
    const unable = { identifier, setting, challengeTypes: [] };
    if (typeof match === "string") return { selected: { ...unable, reason: match } };
    if (challengeTypes.length === 0)
      return { selected: { ...unable, reason: unableReason(setting, plugin, identifier) } };
    const { reason, rank } = match;
    return { selected: { identifier, setting, challengeTypes, reason }, rank };
  });
  return ranked
    .toSorted((a, b) => compareRanks(b.rank ?? [-1], a.rank ?? [-1]))
    .map(({ selected }) => selected);
}

/** The types that a solver answers, best first. */
export function answeredTypes(
  { challenge }: SolverSetting,
  { challengeTypes, defaultTypes = challengeTypes }: SolverPlugin,
): readonly ChallengeType[] {
  if (challenge === undefined) return defaultTypes;
  const answered = challenge === "dns-account-01" ? "dns-01" : challenge;
  return challengeTypes.filter((type) => type === answered);
}

/** The DNS alone can prove a wildcard (RFC 8555 §7.4.1 leaves it to CAs; all that exist agree), and never an address (RFC 8738 §3). */
function canServe(type: ChallengeType, identifier: Identifier): boolean {
  const isByDns = type.startsWith("dns-");
  if (identifier.type === "ip") return !isByDns;
  return !identifier.value.startsWith("*.") || isByDns;
}

function unableReason(
  setting: SolverSetting,
  plugin: SolverPlugin,
  identifier: Identifier,
): string {
  const answered = answeredTypes(setting, plugin);
  if (answered.length === 0)
    return `it answers ${plugin.challengeTypes.join(", ")}, and ${setting.challenge} was asked for`;
  const types = answered.join(", ");
  return identifier.type === "ip"
    ? `it answers ${types}, and an IP address needs http-01 or tls-alpn-01`
    : `it answers ${types}, and a wildcard needs dns-01`;
}

type Labels = Readonly<Record<string, string>>;

interface Match {
  readonly rank: readonly [names: number, zone: number, labels: number];
  readonly reason: string;
}

/** How well the selector fits, or why it does not. */
function matchSelector(
  { select = {} }: SolverSetting,
  name: string,
  labels: Labels,
): Match | string {
  const { names, zones = [] } = select;
  const zone = longestZone(zones, name);
  const wanted = Object.entries(select.labels ?? {});
  const why = mismatch(
    select,
    name,
    zone,
    wanted.find(([key, value]) => labels[key] !== value),
  );
  if (why !== undefined) return why;
  const reasons = [
    ...(names === undefined ? [] : [`its names include ${name}`]),
    ...(zone === undefined ? [] : [`zone ${zone}`]),
    ...wanted.map(([key, value]) => `label ${key}=${value}`),
  ];
  const rank = [
    Number(names !== undefined),
    zone === undefined ? 0 : zone.length,
    wanted.length,
  ] as const;
  return { rank, reason: reasons.length === 0 ? "it answers for every name" : reasons.join(", ") };
}

function mismatch(
  { names, zones }: SolverSelector,
  name: string,
  zone: string | undefined,
  missing: readonly [string, string] | undefined,
): string | undefined {
  if (names?.map(canonicalName).includes(name) === false) return `its names do not include ${name}`;
  if (zones !== undefined && zone === undefined)
    return `${name} is in none of its zones (${zones.join(", ")})`;
  return missing === undefined
    ? undefined
    : `the certificate has no label ${missing[0]}=${missing[1]}`;
}

/** As names are ordered: A-labels in lower case, no trailing dot, a wildcard with its `*.`. */
function canonicalName(text: string): string {
  const name = text.replace(/\.$/, "");
  const bare = name.replace(/^\*\./, "");
  const ascii = domainToASCII(bare) || bare.toLowerCase();
  return name === bare ? ascii : `*.${ascii}`;
}

function longestZone(zones: readonly string[], name: string): string | undefined {
  return zones
    .map(canonicalName)
    .filter((zone) => name === zone || name.endsWith(`.${zone}`))
    .toSorted((a, b) => b.length - a.length)[0];
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const difference = value - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
