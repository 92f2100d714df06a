import { type Answer } from "../server/answer.ts";
import { AcmeProblem } from "../acme-problem.ts";
import { type SignedRequest } from "../signed/handler.ts";
import { type Account, type State } from "../state.ts";
/** newAccount (RFC 8555 §7.3): registers the key, or finds the account that it has. */
export declare function newAccount(state: State, request: SignedRequest): Answer;
/** Reads, updates (§7.3.2) or deactivates (§7.3.6) the signer's account. */
export declare function account(state: State, request: SignedRequest): Answer;
/** The orders list (§7.1.2.1), 50 to a page, without those that are invalid. */
export declare function orders(state: State, request: SignedRequest): Answer;
/** The account that has this key, deactivated or not. */
export declare function accountOfKey(state: State, thumbprint: string): Account | undefined;
/** The account URL, which is also the `kid`. */
export declare function accountUrl(state: State, account: Account): string;
/** §7.3.6: status 401, type unauthorized. */
export declare function deactivated(): AcmeProblem;
/** The account object of §7.1.2. */
export declare function accountJson(state: State, account: Account): object;
/** Checks contact URLs (RFC 8555 §7.3): `mailto:` with exactly one address and no header fields. */
export declare function checkContacts(value: unknown): readonly string[];
