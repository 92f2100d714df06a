import { type CertificateRequest, type KeyType, keyTypes } from "../certificate.ts";
import { formatDuration } from "../options/duration.ts";
import { Problem } from "../problem.ts";

export type Terms = Pick<
  CertificateRequest,
  "duration" | "notBefore" | "notAfter" | "mustStaple" | "privateKey" | "secondKeyType"
>;

/** The types of the first and the second key, from a list of one or two. */
export function keyTypesOf(
  {
    keyType,
    keyTypes: listed,
  }: { keyType?: KeyType | undefined; keyTypes?: readonly string[] | undefined },
  place: string,
): Pick<CertificateRequest, "keyType" | "secondKeyType"> {
  if (listed === undefined) return { keyType: keyType ?? "ec256" };
  const [first, second, ...others] = listed.map((one) => keyTypes.find((known) => known === one));
  const isPair = second !== undefined && familyOf(first) !== familyOf(second);
  const isOne = listed.length === 1;
  if (first !== undefined && keyType === undefined && others.length === 0 && (isPair || isOne))
    return { keyType: first, secondKeyType: second };
  throw new Problem("usage", {
    detail: `${place}: the key types ${listed.join(", ")} are not one EC and one RSA type${keyType === undefined ? "" : `, or ${keyType} was given beside them`}.`,
    hint: `Give two of ${keyTypes.join(", ")}, e.g. ec256,rsa2048, and no single key type.`,
  });
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
export function assertTerms(request: CertificateRequest, place: string): void {
  const { mustStaple, csr, privateKey, secondKeyType } = request;
  assertDates(request, place);
  if (secondKeyType !== undefined && (csr ?? privateKey) !== undefined)
    throw contradiction(
      `${place}: a key or a CSR of yours is one key.`,
      "Leave out keyTypes, or the key.",
    );
  if (csr !== undefined && (mustStaple === true || privateKey !== undefined))
    throw contradiction(
      `${place}: a certificate signing request comes with its own key and extensions.`,
      "Leave out mustStaple and privateKey, or the CSR.",
    );
}

function assertDates({ duration, notBefore, notAfter }: Terms, place: string): void {
  for (const [name, date] of Object.entries({ notBefore, notAfter }))
    if (date !== undefined && !isDate(date))
      throw contradiction(
        `${place}: ${name} is "${date}", which is not a date.`,
        "Write it as 2027-01-31T00:00:00Z.",
      );
  if (notAfter === undefined) return;
  if (duration !== undefined)
    throw contradiction(
      `${place}: both a duration and an end are given.`,
      "Give one of duration and notAfter.",
    );
  if (notBefore !== undefined && Date.parse(notAfter) <= Date.parse(notBefore))
    throw contradiction(
      `${place}: the end ${notAfter} is not after the start ${notBefore}.`,
      "Correct one of them.",
    );
}

function contradiction(detail: string, hint: string): Problem {
  return new Problem("usage", { detail, hint });
}

/** An end that has passed would be left out of the order, and the certificate would not be the one that was asked for. */
export function assertAhead(notAfter: string | undefined, now: Date): void {
  if (notAfter === undefined || Date.parse(notAfter) > now.getTime()) return;
  throw new Problem("usage", {
    detail: `--not-after: ${notAfter} has passed.`,
    hint: "Give a time in the future, or leave the option out.",
  });
}

function isDate(text: string): boolean {
  const [, day] = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.exec(text) ?? [];
  if (day === undefined || Number.isNaN(Date.parse(text))) return false;
  // JavaScript reads February 30 as March 2.
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day);
}
