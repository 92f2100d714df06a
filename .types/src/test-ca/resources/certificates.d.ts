import type { Answer } from "../server/answer.ts";
import { type SignedRequest } from "../signed/handler.ts";
import { type State } from "../state.ts";
/** Downloads a chain (RFC 8555 §7.4.2) and links to the other ones. */
export declare function certificate(state: State, request: SignedRequest): Answer;
/** revokeCert (§7.6), by an account that may, or by the certificate's own key. */
export declare function revokeCert(state: State, request: SignedRequest): Answer;
