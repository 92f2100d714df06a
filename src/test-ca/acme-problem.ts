/** An identifier of RFC 8555 §9.7.7 or RFC 8738. */
export interface Identifier {
  type: string;
  value: string;
}

/** An RFC 9457 problem document with the members of RFC 8555 §6.7.1. */
export interface ProblemJson {
  type: string;
  detail: string;
  status?: number | undefined;
  identifier?: Identifier;
  subproblems?: readonly ProblemJson[];
  [member: string]: unknown;
}

/** HTTP status of the error types of RFC 8555 §6.7, RFC 9773 §5 and the profiles draft that do not have 400. */
const statuses: Readonly<Record<string, number>> = {
  alreadyReplaced: 409,
  caa: 403,
  externalAccountRequired: 403,
  orderNotReady: 403,
  rateLimited: 429,
  serverInternal: 500,
  unauthorized: 403,
  userActionRequired: 403,
};

export const errorPrefix = "urn:ietf:params:acme:error:";

/** A refusal that the client reads as a problem document; `type` is the RFC's short name. */
export class AcmeProblem extends Error {
  readonly json: ProblemJson;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(type: string, detail: string, more: Partial<ProblemJson> = {}, headers = {}) {
    super(`${type}: ${detail}`);
    this.name = "AcmeProblem";
    this.status = more.status ?? statuses[type] ?? 400;
    this.json = { type: errorPrefix + type, detail, ...more, status: this.status };
    this.headers = headers;
  }
}

/** What a handler threw: a refusal, or a bug of this CA. */
export function problemOf(error: unknown, bug: string): AcmeProblem {
  if (error instanceof AcmeProblem) return error;
  return new AcmeProblem("serverInternal", `${bug}: ${String(error)}`);
}

/** Throws a problem, of type `malformed` unless another is given, if the condition does not hold. */
export function demand(
  condition: boolean,
  detail: string,
  type = "malformed",
  more: Partial<ProblemJson> = {},
): asserts condition {
  if (!condition) throw new AcmeProblem(type, detail, more);
}

/** IPv6 as RFC 5952 writes it, which is what the URL parser does; anything else stays as it is. */
export function canonicalAddress(address: string): string {
  return address.includes(":") ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}
