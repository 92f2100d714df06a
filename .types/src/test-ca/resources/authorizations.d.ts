import { type Answer } from "../server/answer.ts";
import { type Identifier } from "../acme-problem.ts";
import { type SignedRequest } from "../signed/handler.ts";
import { type Account, type Authorization, type State } from "../state.ts";
/** The account's valid authorization for the identifier, if one can be reused, else a new one with fresh challenges. */
export declare function authorizationFor(
  state: State,
  account: Account,
  identifier: Identifier,
): Authorization;
/** Reads an authorization, or deactivates it (RFC 8555 §7.5.2). */
export declare function authz(state: State, request: SignedRequest): Answer;
