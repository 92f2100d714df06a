import { type CertificateRequest, type KeyType, keyTypes } from "../certificate.ts";
import { formatDuration } from "../options/duration.ts";
import { Problem } from "../problem.ts";

export type Terms = Pick<
  CertificateRequest,
  "duration" | "notBefore" | "notAfter" | "mustStaple" | "privateKey" | "secondKeyType"
>;

/** Where a request was written. */
export interface Written {
  /** Its name, or its place in the config. */
  readonly place: string;
  /** How an option is written there: `--not-after`, `notAfter`. */
  readonly named: (option: keyof Terms | "csr" | "keyType" | "keyTypes") => string;
}

/** The types of the first and the second key, from a list of one or two. */
export function keyTypesOf(
  {
    keyType,
    keyTypes: listed,
  }: { keyType?: KeyType | undefined; keyTypes?: readonly string[] | undefined },
  { place, named }: Written,
): Pick<CertificateRequest, "keyType" | "secondKeyType"> {
  if (listed === undefined) return { keyType: keyType ?? "ec256" };
  if (keyType !== undefined)
    throw contradiction(
      `${place}: both ${named("keyType")} and ${named("keyTypes")} are given.`,
      "Give one of them.",
    );
  const [first, second, ...others] = listed.map((one) => keyTypes.find((known) => known === one));
  const isPair = second !== undefined && familyOf(first) !== familyOf(second);
  const isOne = listed.length === 1;
  if (first !== undefined && others.length === 0 && (isPair || isOne))
    return { keyType: first, secondKeyType: second };
  throw contradiction(
    `${place}: ${named("keyTypes")}: ${listed.join(", ")} are not one EC and one RSA type.`,
    `Give two of ${keyTypes.join(", ")}, e.g. ec256,rsa2048.`,
  );
}

const familyOf = (type: string | undefined) => type?.replace(/\d+$/, "");

/** What else than names, key type, profile and chain is asked for, in words; undefined for nothing. */
export function termsOf(request: Terms): string | undefined {
  const { duration, notBefore, notAfter, mustStaple, privateKey, secondKeyType } = request;
  const parts = [
    ...(duration === undefined ? [] : [formatDuration(duration)]),
    ...(notBefore === undefined ? [] : [`from ${notBefore}`]),
    ...(notAfter === undefined ? [] : [`until ${notAfter}`]),
    ...(secondKeyType === undefined ? [] : [`a second key ${secondKeyType}`]),
    ...(mustStaple === true ? ["must-staple"] : []),
    ...(privateKey === undefined ? [] : [`the key ${privateKey}`]),
  ];
  return parts.length === 0 ? undefined : parts.join(", ");
}

/** The dates of a new order (RFC 8555 §7.1.3). Those that have passed were of an earlier one. */
export function datesOf(
  { duration, notBefore, notAfter }: Terms,
  now: Date,
): { readonly notBefore?: string | undefined; readonly notAfter?: string | undefined } {
  const ahead = (date: string | undefined) =>
    date !== undefined && Date.parse(date) > now.getTime() ? date : undefined;
  const start = ahead(notBefore);
  const from = start === undefined ? now.getTime() : Date.parse(start);
  const end = duration === undefined ? undefined : withoutFraction(new Date(from + duration));
  return { notBefore: start, notAfter: ahead(notAfter) ?? end };
}

/** Some CAs written in Go read whole seconds only. */
function withoutFraction(date: Date): string {
  return date.toISOString().replace(/\.\d+Z$/, "Z");
}

/** What contradicts itself is found before the first request. */
export function assertTerms(request: CertificateRequest, written: Written): void {
  const { mustStaple, csr, privateKey, secondKeyType } = request;
  const { place, named } = written;
  assertDates(request, written);
  if (secondKeyType !== undefined && (csr ?? privateKey) !== undefined)
    throw contradiction(
      `${place}: ${named("keyTypes")} asks for two keys, and ${named(csr === undefined ? "privateKey" : "csr")} has one.`,
      "Leave one of them out.",
    );
  if (csr !== undefined && (mustStaple === true || privateKey !== undefined))
    throw contradiction(
      `${place}: the certificate signing request of ${named("csr")} comes with its own key and extensions.`,
      `Leave ${named(mustStaple === true ? "mustStaple" : "privateKey")} out, or the request.`,
    );
}

function assertDates({ duration, notBefore, notAfter }: Terms, { place, named }: Written): void {
  for (const [option, date] of [["notBefore", notBefore] as const, ["notAfter", notAfter] as const])
    if (date !== undefined && !isDate(date))
      throw contradiction(
        `${place}: ${named(option)} is "${date}", which is not a date and time.`,
        "Write it as 2027-01-31T00:00:00Z.",
      );
  if (notAfter === undefined) return;
  if (duration !== undefined)
    throw contradiction(
      `${place}: both ${named("duration")} and ${named("notAfter")} are given.`,
      "Give one of them.",
    );
  if (notBefore !== undefined && Date.parse(notAfter) <= Date.parse(notBefore))
    throw contradiction(
      `${place}: the end ${notAfter} (${named("notAfter")}) is not after the start ${notBefore} (${named("notBefore")}).`,
      "Correct one of them.",
    );
}

function contradiction(detail: string, hint: string): Problem {
  return new Problem("usage", { detail, hint });
}

/** An end that has passed would be left out of the order, and the certificate would not be the one that was asked for. */
export function assertAhead({ notAfter }: Terms, { place, named }: Written, now: Date): void {
  if (notAfter === undefined || Date.parse(notAfter) > now.getTime()) return;
  throw new Problem("usage", {
    detail: `${place}: ${named("notAfter")} is ${notAfter}, which has passed.`,
    hint: "Give a time in the future, or leave the option out.",
  });
}

function isDate(text: string): boolean {
  const [, day] = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  if (day === undefined || Number.isNaN(Date.parse(text))) return false;
  // JavaScript reads February 30 as March 2.
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}
