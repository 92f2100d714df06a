import type { Answer } from "../server/answer.ts";
import { type Jws } from "./jws.ts";
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
  readonly key: {
    readonly jwk: Jwk;
    readonly key: KeyObject;
    readonly thumbprint: string;
  };
  /** Absent when the request was signed by a key of its own (`jwk`). */
  readonly account: Account | undefined;
}
export type SignedHandler = (state: State, request: SignedRequest) => Answer | Promise<Answer>;
/** The account that signed. */
export declare function signer(request: SignedRequest): Account;
/** Refuses anything but POST-as-GET (RFC 8555 §6.3). */
export declare function demandPostAsGet(request: SignedRequest): void;
/** The payload as a JSON object. */
export declare function payloadOf(request: SignedRequest): Record<string, unknown>;
/** Finds what an id names and refuses to show it to other accounts. */
export declare function own<
  T extends {
    readonly account: Account;
  },
>(things: ReadonlyMap<string, T>, request: SignedRequest, what: string): T;
