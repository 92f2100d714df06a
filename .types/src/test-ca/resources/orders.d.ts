import { type Answer } from "../server/answer.ts";
import { type SignedRequest } from "../signed/handler.ts";
import { type Order, type State } from "../state.ts";
/** newOrder (RFC 8555 §7.4), with the profile of the profiles draft and `replaces` of RFC 9773 §5. */
export declare function newOrder(state: State, request: SignedRequest): Answer;
/** Reads an order. */
export declare function order(state: State, request: SignedRequest): Answer;
/** The order object of §7.1.3 with its Location, and a Retry-After while it is processing. */
export declare function orderAnswer(state: State, order: Order, status: number): Answer;
