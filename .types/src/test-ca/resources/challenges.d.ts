import { type Answer } from "../server/answer.ts";
import { type SignedRequest } from "../signed/handler.ts";
import { type Challenge, type State } from "../state.ts";
/** Reads a challenge, or starts its validation when the payload is `{}` (RFC 8555 §7.5.1). */
export declare function challenge(state: State, request: SignedRequest): Promise<Answer>;
/** The challenge object of §7.1.5 and §8. */
export declare function challengeJson(state: State, challenge: Challenge): object;
