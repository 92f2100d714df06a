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
  const { duration, notBefore, notAfter, mustStaple, csr, privateKey, secondKeyType } = request;
  const refuse = (detail: string, hint: string) => {
    throw new Problem("usage", { detail: `${place}: ${detail}`, hint });
  };
  for (const [name, date] of Object.entries({ notBefore, notAfter }))
    if (date !== undefined && !isDate(date))
      refuse(`${name} is "${date}", which is not a date.`, "Write it as 2027-01-31T00:00:00Z.");
  if (duration !== undefined && notAfter !== undefined)
    refuse("both a duration and an end are given.", "Give one of duration and notAfter.");
  if (secondKeyType !== undefined && (csr ?? privateKey) !== undefined)
    refuse("a key or a CSR of yours is one key.", "Leave out keyTypes, or the key.");
  if (csr !== undefined && (mustStaple === true || privateKey !== undefined))
    refuse(
      "a certificate signing request comes with its own key and extensions.",
      "Leave out mustStaple and privateKey, or the CSR.",
    );
}

function isDate(text: string): boolean {
  return (
    /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) &&
    !Number.isNaN(Date.parse(text))
  );
}
