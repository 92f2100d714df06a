import { randomBytes } from "node:crypto";
import { json } from "../server/answer.ts";
import type { Answer } from "../server/answer.ts";
import type { State } from "../state.ts";

/** The directory (RFC 8555 §7.1.1), with a random member, which clients have to ignore. */
export function directory(state: State): Answer {
  const { base, settings } = state;
  const { termsOfService, requireEab, profiles } = settings;
  const descriptions = Object.entries(profiles).map(([name, each]) => [name, each.description]);
  const meta = {
    ...(termsOfService === undefined ? {} : { termsOfService }),
    externalAccountRequired: requireEab,
    profiles: Object.fromEntries(descriptions),
  };
  return json(200, {
    newNonce: `${base}/new-nonce`,
    newAccount: `${base}/new-account`,
    newOrder: `${base}/new-order`,
    revokeCert: `${base}/revoke-cert`,
    keyChange: `${base}/key-change`,
    renewalInfo: `${base}/renewal-info`,
    meta,
    [randomBytes(8).toString("base64url")]: "Members that are not known are to be ignored.",
  });
}
