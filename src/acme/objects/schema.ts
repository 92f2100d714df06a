/** Small checks of what a CA sent. Unknown members are ignored; a known one of the wrong shape is a `protocol` Problem. */
import { isRecord } from "../../json.ts";
import { type ProblemDocument, Problem } from "../../problem.ts";
import { printable } from "../text.ts";
import type { Transport } from "../transport/transport.ts";

export type Json = Readonly<Record<string, unknown>>;

/** Where a document came from: for messages, for the hosts that it may point to, and to mask the secrets in it. */
export interface Origin {
  readonly what: string;
  readonly url: string;
  readonly transport: Pick<Transport, "allows" | "redact">;
}

/** A `protocol` Problem about one document. */
export function malformed(origin: Origin, why: string): Problem {
  return new Problem("protocol", {
    detail: `The ${origin.what} at ${printable(origin.url, 300)} is not what RFC 8555 describes: ${why}.`,
    hint: "Check that the server URL is an ACME directory; if it is, report this to the CA.",
  });
}

export function object(value: unknown, origin: Origin): Json {
  if (isRecord(value)) return inCamelCase(value);
  throw malformed(origin, "it is not a JSON object");
}

/** Drafts and some CAs write members with hyphens (`caa-identities`); RFC 8555's own spelling goes before them. */
export function inCamelCase(source: Json): Json {
  const hyphened = Object.keys(source).filter((name) => name.includes("-"));
  if (hyphened.length === 0) return source;
  const renamed = hyphened.map((name) => {
    const camel = name.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
    return [camel, source[name]];
  });
  return { ...Object.fromEntries(renamed), ...source };
}

function string(source: Json, name: string, origin: Origin): string {
  const value = source[name];
  if (typeof value === "string") return value;
  throw malformed(origin, `its "${name}" is ${value === undefined ? "missing" : "not a text"}`);
}

export function word<T extends string>(
  source: Json,
  name: string,
  words: readonly T[],
  origin: Origin,
): T {
  const value = string(source, name, origin);
  const found = words.find((word) => word === value);
  if (found !== undefined) return found;
  throw malformed(
    origin,
    `its "${name}" is "${shown(value, 60, origin)}", not one of ${words.join(", ")}`,
  );
}

/** Text of the CA, for people: secrets are masked before it is cut to a length. */
export function shown(text: string, longest: number, { transport }: Origin): string {
  return printable(transport.redact(text), longest);
}

/** An https URL on a host of the CA, exactly as the CA wrote it (RFC 8555 §6.4 signs that text). */
export function link(value: unknown, name: string, origin: Origin): string {
  if (typeof value !== "string" || value === "")
    throw malformed(origin, `its "${name}" is not a URL`);
  const plain = value.length <= 2048 && /^https:\/\/[!#-;=?-[\]_a-z~]+$/.test(value);
  const url = plain ? URL.parse(value) : null;
  if (
    url === null ||
    url.username !== "" ||
    url.password !== "" ||
    !origin.transport.allows(value)
  ) {
    throw malformed(
      origin,
      `its "${name}" is "${shown(value, 200, origin)}", which is not an https URL on a host of the CA's directory`,
    );
  }
  return value;
}

export function optionalLink(source: Json, name: string, origin: Origin): string | undefined {
  return source[name] === undefined || source[name] === null || source[name] === ""
    ? undefined
    : link(source[name], name, origin);
}

export function array(source: Json, name: string, origin: Origin): readonly unknown[] {
  const value = source[name];
  if (Array.isArray(value)) return value;
  throw malformed(origin, `its "${name}" is not a list`);
}

/**
 * RFC 3339. Undefined for what cannot be read, since it only bounds waiting, and for dates that no clock shows: servers in Go
 * write the year 1 where they mean none.
 */
export function optionalDate(source: Json, name: string): Date | undefined {
  const read = date(source[name]);
  return read !== undefined && read.getTime() > 0 ? read : undefined;
}

/** An RFC 3339 date; undefined for anything else. */
export function date(value: unknown): Date | undefined {
  if (typeof value !== "string" || !/^\d{4}-\d\d-\d\dT/i.test(value)) return undefined;
  const parsed = new Date(value);
  return Number.isNaN(parsed.getTime()) ? undefined : parsed;
}

/** The URL of a page for people; undefined for anything else. */
export function webPage(value: unknown): string | undefined {
  if (typeof value !== "string" || !/^https?:\/\/[!-~]{1,2000}$/.test(value)) return undefined;
  return URL.canParse(value) ? value : undefined;
}

/** The texts of an optional list; anything else in it is dropped. */
export function texts(value: unknown, origin: Origin): string[] {
  if (!Array.isArray(value)) return [];
  return value.filter((item) => typeof item === "string").map((item) => shown(item, 300, origin));
}

/** The name of a CA as records have it: lower case, no trailing dot. */
export function canonicalIssuer(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** An error document inside an object, its secrets masked, then cut to bounded lengths; undefined where there is none. */
export function problemDocument(
  value: unknown,
  redact: Transport["redact"],
  depth = 0,
): ProblemDocument | undefined {
  if (!isRecord(value)) return undefined;
  const { status, identifier, subproblems } = value;
  const parts = Array.isArray(subproblems) && depth < 2 ? subproblems.slice(0, 200) : [];
  const cleaned = parts.flatMap((part) => problemDocument(part, redact, depth + 1) ?? []);
  const text = (member: unknown, longest: number) =>
    typeof member === "string" && member !== "" ? printable(redact(member), longest) : undefined;
  return {
    type: text(value["type"], 200) ?? "about:blank",
    title: text(value["title"], 200) ?? "The CA refused",
    detail: text(value["detail"], 2000),
    instance: text(value["instance"], 500),
    status: typeof status === "number" && Number.isInteger(status) ? status : undefined,
    identifier: named(identifier, redact),
    subproblems: cleaned.length > 0 ? cleaned : undefined,
  };
}

function named(identifier: unknown, redact: Transport["redact"]): ProblemDocument["identifier"] {
  if (!isRecord(identifier)) return undefined;
  const { type, value } = identifier;
  if (typeof type !== "string" || typeof value !== "string") return undefined;
  return { type: printable(redact(type), 20), value: printable(redact(value), 300) };
}
