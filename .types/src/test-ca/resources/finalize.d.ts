import type { Answer } from "../server/answer.ts";
import { type SignedRequest } from "../signed/handler.ts";
import { type State } from "../state.ts";
/** finalize (RFC 8555 §7.4): checks the CSR against the order and issues. */
export declare function finalize(state: State, request: SignedRequest): Promise<Answer>;
