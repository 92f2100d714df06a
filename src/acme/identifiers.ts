/** Names as people type them, read as identifiers (RFC 8555 §7.1.4, RFC 8738). */
import { isIP } from "node:net";
import { domainToASCII, domainToUnicode } from "node:url";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { printable } from "./text.ts";

/** Canonical identifiers without duplicates, in the order given. One `usage` Problem lists every bad name. */
export function parseIdentifiers(given: readonly string[]): Identifier[] {
  const identifiers = new Map<string, Identifier>();
  const complaints: string[] = [];
  for (const text of given) {
    const parsed = readName(text.trim());
    if (typeof parsed === "string") complaints.push(`"${printable(text, 300)}": ${parsed}`);
    else identifiers.set(identifierKey(parsed), parsed);
  }
  if (complaints.length > 0) throw notNames(complaints);
  if (identifiers.size === 0) {
    throw new Problem("usage", {
      detail: "No name was given.",
      hint: "Give the names of the certificate: -d example.com",
    });
  }
  return [...identifiers.values()];
}

/** Public CAs do not issue for single labels; a private CA decides for itself. */
export function assertPublicNames(identifiers: readonly Identifier[]): void {
  const labels = identifiers.filter(
    ({ type, value }) => type === "dns" && !value.replace(/^\*\./, "").includes("."),
  );
  if (labels.length === 0) return;
  throw notNames(
    labels.map(
      ({ value }) =>
        `"${value}": it is a single label, which a public CA cannot validate; use the full name, as in host.example.com.`,
    ),
  );
}

function notNames(complaints: readonly string[]): Problem {
  return new Problem("usage", {
    title: complaints.length === 1 ? "Not a name for a certificate" : "Not names for a certificate",
    detail: complaints.join("\n"),
    hint: "Give DNS names (example.com, *.example.com) or IP addresses, separated by commas or by repeating -d.",
  });
}

/** The canonical form of an identifier that a CA sent; undefined when it is not valid. */
export function canonicalIdentifier({ type, value }: Identifier): Identifier | undefined {
  const parsed = readName(value);
  return typeof parsed === "string" || parsed.type !== type ? undefined : parsed;
}

/** How names differ from the ordered ones; undefined for the same ones in any order (RFC 8555 §7.4). */
export function differenceOfNames(
  names: readonly Identifier[],
  ordered: readonly Identifier[],
): string | undefined {
  const [lacking, added] = [without(ordered, names), without(names, ordered)];
  const why = [
    ...(lacking.length > 0 ? [`it lacks ${valuesOf(lacking)}`] : []),
    ...(added.length > 0 ? [`it also names ${valuesOf(added)}, which was not ordered`] : []),
  ];
  return why.length > 0 ? why.join(", and ") : undefined;
}

/** Those of `all` that are not among `some`. */
export function without(all: readonly Identifier[], some: readonly Identifier[]): Identifier[] {
  const keys = new Set(some.map(identifierKey));
  return all.filter((one) => !keys.has(identifierKey(one)));
}

export function valuesOf(identifiers: readonly Identifier[]): string {
  return identifiers.map(({ value }) => printable(value, 300)).join(", ");
}

/** Equal for equal identifiers. */
export function identifierKey({ type, value }: Identifier): string {
  return `${type}:${value}`;
}

/** The identifier, or what is wrong with the text. */
export function readName(text: string): Identifier | string {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  const strange = complain(text);
  if (strange !== undefined) return strange;
  const foreign = /[^A-Za-z0-9._*\u0080-\u{10ffff}-]/u.exec(text);
  if (foreign !== null)
    return `the character ${JSON.stringify(foreign[0])} is not allowed in a DNS name.`;
  const wildcard = text.startsWith("*.");
  const name = toAscii((wildcard ? text.slice(2) : text).replace(/\.$/, ""));
  if (name === undefined) return "it is not a valid internationalized name.";
  const wrong = complainOfName(name, wildcard);
  if (wrong !== undefined) return wrong;
  return { type: "dns", value: wildcard ? `*.${name}` : name };
}

/** RFC 5952 for IPv6; IPv4 in its one form. Brackets are tolerated, a zone (`%eth0`) and a prefix length are not. */
function parseAddress(text: string): Identifier | undefined {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  const family = isIP(bare);
  if (family === 4) return { type: "ip", value: bare };
  if (family !== 6 || bare.includes("%")) return undefined;
  // The URL parser writes IPv6 as RFC 5952 §4 requires.
  return { type: "ip", value: new URL(`http://[${bare}]`).hostname.slice(1, -1) };
}

/** What people paste instead of a name, with what to do about it. */
const mistakes: readonly (readonly [RegExp, (match: RegExpExecArray) => string])[] = [
  [/^$/, () => "it is empty."],
  [/^[a-z][a-z0-9+.-]*:\/\//i, ({ input }) => `it is a URL; use ${hostOf(input)}.`],
  [/^([^\s:/]+):\d+$/, ([, host]) => `a certificate has no port; use ${host}.`],
  [/^\[(.*)\]:\d+$/, ([, host]) => `a certificate has no port; use ${host}.`],
  [/@/, () => "it is an email address; use the part after the @, if you mean that."],
  [/^[\d.]*\d[\d.]*$/, () => "it is neither an IPv4 address nor a DNS name."],
  [/^[\d.:a-f[\]]+\/\d+$/i, () => "it is a network; use a single address."],
  [/^\[?[0-9a-f.]*:[0-9a-f:.]*(%[^/]*)?\]?$/i, () => "it is not an IPv6 address."],
  [/^([^/]*)\//, ([, host]) => `it contains a path; use ${host || "the name alone"}.`],
  [/\s/, () => "it contains white space; separate names by commas."],
];

function complain(text: string): string | undefined {
  for (const [pattern, explain] of mistakes) {
    const match = pattern.exec(text);
    if (match !== null) return explain(match);
  }
  return undefined;
}

function hostOf(url: string): string {
  return URL.parse(url)?.hostname || "the host name alone";
}

/** A-labels in lower case; undefined for what IDNA does not allow. ASCII is only lowered: the checks that follow need it as typed. */
function toAscii(name: string): string | undefined {
  if (/^\p{ASCII}*$/u.test(name)) return name.toLowerCase();
  const ascii = domainToASCII(name);
  return ascii === "" ? undefined : ascii;
}

function complainOfName(name: string, wildcard: boolean): string | undefined {
  if (name === "") return "it is only a dot or a wildcard.";
  if (name.includes("*"))
    return "a wildcard must be the whole left-most label, as in *.example.com.";
  if (name.includes("_")) return "a name in a certificate must not have an underscore.";
  if (name.length + (wildcard ? 2 : 0) > 253) return "it is longer than 253 characters.";
  return complainOfLabels(name.split("."));
}

function complainOfLabels(labels: readonly string[]): string | undefined {
  if (labels.includes("")) return "it has an empty label (two dots in a row, or one at the start).";
  const long = labels.find((label) => label.length > 63);
  if (long !== undefined) return `the label "${long.slice(0, 20)}…" is longer than 63 characters.`;
  const dashed = labels.find((label) => label.startsWith("-") || label.endsWith("-"));
  if (dashed !== undefined) return `the label "${dashed}" begins or ends with a hyphen.`;
  if (/^\d+$/.test(labels.at(-1) ?? "")) return "its last label is a number.";
  const undecodable = labels.find((label) => label.startsWith("xn--") && !isALabel(label));
  if (undecodable !== undefined)
    return `the label "${undecodable}" starts with xn-- but does not encode an internationalized name.`;
  return undefined;
}

/** RFC 5890 §2.3.2.1: decoding and encoding gives the same label again. */
function isALabel(label: string): boolean {
  const decoded = domainToUnicode(label);
  return decoded !== label && domainToASCII(decoded) === label;
}
