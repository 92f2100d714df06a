import type { Answer } from "../server/answer.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { parseObject, type Jws } from "./jws.ts";
import type { Jwk } from "./jwk.ts";
import type { KeyObject } from "node:crypto";
import type { Account, State } from "../state.ts";

/** A POST whose signature, nonce and url were found good. */
export interface SignedRequest {
  /** Full URL as signed. */
  readonly url: string;
  /** What the route's pattern captured. */
  readonly ids: readonly string[];
  readonly jws: Jws;
  readonly key: { readonly jwk: Jwk; readonly key: KeyObject; readonly thumbprint: string };
  /** Absent when the request was signed by a key of its own (`jwk`). */
  readonly account: Account | undefined;
}

export type SignedHandler = (state: State, request: SignedRequest) => Answer | Promise<Answer>;

/** The account that signed. */
export function signer(request: SignedRequest): Account {
  if (request.account === undefined) throw new AcmeProblem("malformed", "A kid is needed here.");
  return request.account;
}

/** Refuses anything but POST-as-GET (RFC 8555 §6.3). */
export function demandPostAsGet(request: SignedRequest): void {
  demand(request.jws.payload === "", "POST-as-GET requests must have an empty payload.");
}

/** The payload as a JSON object. */
export function payloadOf(request: SignedRequest): Record<string, unknown> {
  return parseObject(request.jws.payload, "The payload");
}

/** Finds what an id names and refuses to show it to other accounts. */
export function own<T extends { readonly account: Account }>(
  things: ReadonlyMap<string, T>,
  request: SignedRequest,
  what: string,
): T {
  const thing = things.get(request.ids[0] ?? "");
  if (thing === undefined) {
    throw new AcmeProblem("malformed", `There is no such ${what}.`, { status: 404 });
  }
  if (thing.account !== signer(request)) {
    throw new AcmeProblem("unauthorized", `This ${what} belongs to another account.`);
  }
  return thing;
}
