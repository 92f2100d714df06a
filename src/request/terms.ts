import { type CertificateRequest, type KeyType, keyTypes } from "../certificate.ts";
import { dateForm, parseDate } from "../options/date.ts";
import { formatDuration } from "../options/duration.ts";
import type { Problem } from "../problem.ts";

export type Terms = Pick<
  CertificateRequest,
  "duration" | "notBefore" | "notAfter" | "mustStaple" | "privateKey" | "secondKeyType"
>;

/** Where a request was written. */
export interface Written {
  /** Its name, or its place in the config. */
  readonly place: string;
  /** How an option is written there: `--not-after`, `notAfter`. */
  readonly named: (option: WrittenOption) => string;
  /** What is wrong with an option there. */
  readonly wrong: (option: WrittenOption, detail: string, hint: string) => Problem;
}
export type WrittenOption = keyof Terms | "csr" | "keyType" | "keyTypes";

/** The types of the first and the second key, from a list of one or two. */
export function keyTypesOf(
  {
    keyType,
    keyTypes: listed,
  }: { keyType?: KeyType | undefined; keyTypes?: readonly string[] | undefined },
  { named, wrong }: Written,
): Pick<CertificateRequest, "keyType" | "secondKeyType"> {
  if (listed === undefined) return { keyType: keyType ?? "ec256" };
  if (keyType !== undefined)
    throw wrong(
      "keyTypes",
      `both ${named("keyType")} and ${named("keyTypes")} are given.`,
      "Give one of them.",
    );
  const [first, second, ...others] = listed.map((one) => keyTypes.find((known) => known === one));
  const isPair = second !== undefined && familyOf(first) !== familyOf(second);
  const isOne = listed.length === 1;
  if (first !== undefined && others.length === 0 && (isPair || isOne))
    return { keyType: first, secondKeyType: second };
  throw wrong(
    "keyTypes",
    `${named("keyTypes")}: ${listed.join(", ")} are not one EC and one RSA type.`,
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
  const ahead = (text: string | undefined) => {
    const date = text === undefined ? undefined : parseDate(text);
    return date !== undefined && date > now ? withoutFraction(date) : undefined;
  };
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
  const { named, wrong } = written;
  assertDates(request, written);
  if (secondKeyType !== undefined && (csr ?? privateKey) !== undefined)
    throw wrong(
      "keyTypes",
      `${named("keyTypes")} asks for two keys, and ${named(csr === undefined ? "privateKey" : "csr")} has one.`,
      "Leave one of them out.",
    );
  if (csr !== undefined && (mustStaple === true || privateKey !== undefined))
    throw wrong(
      "csr",
      `the certificate signing request of ${named("csr")} comes with its own key and extensions.`,
      `Leave ${named(mustStaple === true ? "mustStaple" : "privateKey")} out, or the request.`,
    );
}

function assertDates({ duration, notBefore, notAfter }: Terms, { named, wrong }: Written): void {
  for (const [option, date] of [["notBefore", notBefore] as const, ["notAfter", notAfter] as const])
    if (date !== undefined && parseDate(date) === undefined)
      throw wrong(option, `${named(option)} is "${date}", which is not a date.`, `${dateForm}.`);
  if (notAfter === undefined) return;
  if (duration !== undefined)
    throw wrong(
      "notAfter",
      `both ${named("duration")} and ${named("notAfter")} are given.`,
      "Give one of them.",
    );
  if (notBefore !== undefined && Date.parse(notAfter) <= Date.parse(notBefore))
    throw wrong(
      "notAfter",
      `the end ${notAfter} (${named("notAfter")}) is not after the start ${notBefore} (${named("notBefore")}).`,
      "Correct one of them.",
    );
}

/** An end that has passed would be left out of the order, and the certificate would not be the one that was asked for. */
export function assertAhead({ notAfter }: Terms, { named, wrong }: Written, now: Date): void {
  if (notAfter === undefined || Date.parse(notAfter) > now.getTime()) return;
  throw wrong(
    "notAfter",
    `${named("notAfter")} is ${notAfter}, which has passed.`,
    "Give a time in the future, or leave the option out.",
  );
}
