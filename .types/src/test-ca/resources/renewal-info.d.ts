import { type Answer } from "../server/answer.ts";
import { type Identifier } from "../acme-problem.ts";
import { type Account, type IssuedCertificate, type State } from "../state.ts";
/** renewalInfo (RFC 9773 §4): the window set for the certificate, else one that follows from its lifetime. */
export declare function renewalInfo(state: State, id: string): Answer;
/** Checks `replaces` of a newOrder (§5) and returns the certificate that it names. */
export declare function checkReplaces(
  state: State,
  account: Account,
  identifiers: readonly Identifier[],
  replaces: unknown,
): IssuedCertificate | undefined;
