/** Calls on the account (RFC 8555 §7.3), and revocation (§7.6). */
import { Problem } from "../../problem.ts";
import type { Account, AccountSession, ExternalAccountBinding } from "../acme.ts";
import { errorType, hintFor, otherKey } from "../hints.ts";
import { link, object, texts, word } from "../objects/schema.ts";
import { isCaProblem } from "../problems.ts";
import { decodedTwice, readBinding, readEmail } from "../registration.ts";
import type { Signer } from "../signer.ts";
import { signKeyChange } from "../transport/library.ts";
import type { Answer } from "../transport/transport.ts";
import type { Caller } from "./caller.ts";

type Calls = Pick<
  AccountSession,
  "register" | "find" | "read" | "update" | "deactivate" | "rollover" | "revoke"
>;

export function accountCalls(caller: Caller): Calls {
  const { exchange, holder } = caller;

  async function newAccount(
    payload: object,
    signal: AbortSignal,
    eab?: ExternalAccountBinding,
  ): Promise<Account> {
    const { newAccount: url } = await exchange.directory(signal);
    // The CA finds the account by its key, so a repeat returns the account that the first try created.
    const how = { signal, eab, byKey: true, repeatable: true };
    const answer = await caller.send({ url, what: "new account", payload, ...how });
    holder.url = locationOf(answer, caller);
    return readAccount(holder.url, answer.body, caller);
  }

  async function change(payload: object | null, what: string, signal: AbortSignal) {
    const url = holder.url ?? "";
    const answer = await caller.send({ url, what, payload, signal, repeatable: true });
    return readAccount(url, answer.body, caller);
  }

  return {
    async register({ contact, termsOfServiceAgreed, eab }, signal) {
      contact.forEach((one) => readEmail(one));
      const { meta } = await exchange.directory(signal);
      if (eab === undefined && meta.externalAccountRequired) throw bindingRequired(caller);
      const binding = eab && readBinding(eab);
      const payload = {
        contact: contact.length > 0 ? contact : undefined,
        termsOfServiceAgreed: termsOfServiceAgreed || undefined,
      };
      return newAccount(payload, signal, binding).catch((error: unknown) => {
        throw binding === undefined ? error : withBindingHint(error, binding);
      });
    },
    async find(signal) {
      try {
        return await newAccount({ onlyReturnExisting: true }, signal);
      } catch (error) {
        if (isCaProblem(error, "accountDoesNotExist")) return undefined;
        throw error;
      }
    },
    read: (signal) => change(null, "account", signal),
    async update({ contact }, signal) {
      contact.forEach((one) => readEmail(one));
      return change({ contact }, "account update", signal);
    },
    deactivate: (signal) => change({ status: "deactivated" }, "account deactivation", signal),
    rollover: (newKey, signal) => rollover(caller, newKey, signal),
    revoke: (certificate, signal) => revoke(caller, certificate, signal),
  };
}

/** Check an account as the CA returned it (RFC 8555 §7.1.2). */
function readAccount(url: string, body: unknown, caller: Caller): Account {
  const origin = caller.origin("account", url);
  const source = object(body, origin);
  return {
    url,
    status: word(source, "status", ["valid", "deactivated", "revoked"], origin),
    contact: texts(source["contact"], origin),
  };
}

function locationOf(answer: Answer, caller: Caller): string {
  const location = answer.headers["location"];
  const absolute = location === undefined ? null : URL.parse(location, answer.url);
  const url = location?.startsWith("https:") ? location : absolute?.href;
  return link(url, "Location", caller.origin("answer to new account", answer.url));
}

async function rollover(caller: Caller, newKey: Signer, signal: AbortSignal): Promise<void> {
  const { exchange, holder } = caller;
  const { keyChange } = await exchange.directory(signal);
  if (keyChange === undefined) {
    throw new Problem("refused", {
      detail: "This CA does not support changing an account key.",
      hint: otherKey(exchange.flags),
    });
  }
  const payload = await signKeyChange(keyChange, holder.url ?? "", holder.key, newKey);
  await caller.send({ url: keyChange, what: "key change", payload, signal });
  holder.key = newKey;
}

/** Without an account URL the request is signed by the certificate's own key (RFC 8555 §7.6). */
async function revoke(
  caller: Caller,
  { der, reason }: { der: Uint8Array; reason?: number | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { revokeCert } = await caller.exchange.directory(signal);
  if (revokeCert === undefined) {
    throw new Problem("refused", { detail: "This CA does not support revocation by ACME." });
  }
  const payload = { certificate: Buffer.from(der).toString("base64url"), reason };
  const how = { signal, repeatable: true, byKey: caller.holder.url === undefined };
  try {
    await caller.send({ url: revokeCert, what: "revocation", payload, ...how });
  } catch (error) {
    if (!isCaProblem(error, "alreadyRevoked")) throw error;
  }
}

function withBindingHint(error: unknown, { hmacKey }: ExternalAccountBinding): unknown {
  const refused = Problem.is(error) && error.document.type.startsWith(errorType(""));
  if (!refused || decodedTwice(hmacKey) === undefined) return error;
  return error.with({
    hint: "Decode the HMAC key once (base64 -d) and try again: it seems to be base64-encoded twice, as gcloud prints it.",
  });
}

function bindingRequired({ exchange: { flags } }: Caller): Problem {
  const type = errorType("externalAccountRequired");
  return new Problem(type, {
    detail: "This CA requires an external account binding (EAB).",
    hint: hintFor(type, { what: "new account", flags }),
  });
}
