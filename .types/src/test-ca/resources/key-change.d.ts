import { type Answer } from "../server/answer.ts";
import { type SignedRequest } from "../signed/handler.ts";
import type { State } from "../state.ts";
/** keyChange (RFC 8555 §7.3.5): the outer JWS is signed by the old key, the inner one by the new. */
export declare function keyChange(state: State, request: SignedRequest): Answer;
