/** An identifier of RFC 8555 §9.7.7 or RFC 8738. */
export interface Identifier {
  type: string;
  value: string;
}
/** An RFC 9457 problem document with the members of RFC 8555 §6.7.1. */
export interface ProblemJson {
  type: string;
  detail: string;
  status?: number;
  identifier?: Identifier;
  subproblems?: readonly ProblemJson[];
  [member: string]: unknown;
}
export declare const errorPrefix = "urn:ietf:params:acme:error:";
/** A refusal that the client reads as a problem document; `type` is the RFC's short name. */
export declare class AcmeProblem extends Error {
  readonly json: ProblemJson;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  constructor(type: string, detail: string, more?: Partial<ProblemJson>, headers?: {});
  /** The document without HTTP status, as subproblems carry it (RFC 8555 §6.7.1). */
  asSubproblem(): ProblemJson;
}
/** Throws `malformed` unless the condition holds. */
export declare function demand(condition: boolean, detail: string): asserts condition;
