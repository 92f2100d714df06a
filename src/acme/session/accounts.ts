/** Calls on the account itself (RFC 8555 §7.3), and revocation (§7.6). */
import { Problem } from "../../problem.ts";
import { readAccount } from "../objects/account.ts";
import type { Account, AccountSession, ExternalAccountBinding } from "../acme.ts";
import type { Caller } from "./caller.ts";
import { hintFor } from "../hints.ts";
import { signKeyChange } from "../transport/library.ts";
import { errorType, isCaProblem } from "../problems.ts";
import { link } from "../objects/schema.ts";
import type { Answer } from "../transport/transport.ts";

type Calls = Pick<
  AccountSession,
  "register" | "find" | "read" | "update" | "deactivate" | "rollover" | "revoke"
>;

export function accountCalls(caller: Caller): Calls {
  const { exchange, holder, send } = caller;

  async function newAccount(
    payload: object,
    signal: AbortSignal,
    eab?: ExternalAccountBinding,
  ): Promise<Account> {
    const { newAccount: url } = await exchange.directory(signal);
    const what = "new account";
    // The key decides which account is meant, so a repeat finds what the first try made.
    const answer = await send({ url, what, payload, signal, eab, byKey: true, repeatable: true });
    holder.url = locationOf(answer, caller);
    return readAccount(holder.url, answer.body, caller.allows);
  }

  async function change(payload: object | null, what: string, signal: AbortSignal) {
    const url = holder.url ?? "";
    const answer = await send({ url, what, payload, signal, repeatable: true });
    return readAccount(url, answer.body, caller.allows);
  }

  return {
    async register({ contact, termsOfServiceAgreed, eab }, signal) {
      assertContacts(contact);
      const { meta } = await exchange.directory(signal);
      if (eab === undefined && meta.externalAccountRequired) throw bindingRequired();
      if (eab !== undefined) assertBinding(eab);
      const agreed = termsOfServiceAgreed ? { termsOfServiceAgreed } : {};
      return newAccount({ ...(contact.length > 0 ? { contact } : {}), ...agreed }, signal, eab);
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
      assertContacts(contact);
      return change({ contact }, "account update", signal);
    },
    deactivate: (signal) => change({ status: "deactivated" }, "account deactivation", signal),
    rollover: (newKey, signal) => rollover(caller, newKey, signal),
    revoke: (certificate, signal) => revoke(caller, certificate, signal),
  };
}

function locationOf(answer: Answer, { allows }: Caller): string {
  const origin = { what: "answer to new account", url: answer.url, allows };
  const location = answer.headers["location"];
  const absolute = location === undefined ? null : URL.parse(location, answer.url);
  return link(location?.startsWith("https:") ? location : absolute?.href, "Location", origin);
}

async function rollover(caller: Caller, newKey: string, signal: AbortSignal): Promise<void> {
  const { exchange, holder } = caller;
  const { keyChange } = await exchange.directory(signal);
  if (keyChange === undefined) {
    throw new Problem("refused", {
      detail: "This CA offers no way to change an account's key.",
      hint: "Register a new account instead: acmectl account register",
    });
  }
  const change = { url: keyChange, account: holder.url ?? "", oldKey: holder.key, newKey };
  const payload = await signKeyChange(change);
  await caller.send({ url: keyChange, what: "key change", payload, signal });
  holder.key = newKey;
}

/** With no account URL known, the key that signs is taken for the certificate's own (RFC 8555 §7.6). */
async function revoke(
  caller: Caller,
  { der, reason }: { der: Uint8Array; reason?: number | undefined },
  signal: AbortSignal,
): Promise<void> {
  const { revokeCert } = await caller.exchange.directory(signal);
  if (revokeCert === undefined) {
    throw new Problem("refused", { detail: "This CA offers no revocation by ACME." });
  }
  const certificate = Buffer.from(der).toString("base64url");
  try {
    await caller.send({
      url: revokeCert,
      what: "revocation",
      payload: { certificate, ...(reason === undefined ? {} : { reason }) },
      signal,
      repeatable: true,
      byKey: caller.holder.url === undefined,
    });
  } catch (error) {
    if (!isCaProblem(error, "alreadyRevoked")) throw error;
  }
}

/** RFC 8555 §7.3: one address, no header fields. */
export function assertContacts(contacts: readonly string[]): void {
  const wrong = contacts.find((contact) => !/^mailto:[^\s?,@]+@[^\s?,@]+$/.test(contact));
  if (wrong === undefined) return;
  throw new Problem("usage", {
    detail: `"${wrong.replace(/^mailto:/, "")}" is no single e-mail address.`,
    hint: "Give it as --email you@example.com; one account has one address here.",
  });
}

/** The form of an external account binding (RFC 8555 §7.3.4). */
export function assertBinding({ kid, hmacKey }: ExternalAccountBinding): void {
  if (kid !== "" && /^[A-Za-z0-9_-]+={0,2}$/.test(hmacKey)) return;
  throw new Problem("config", {
    detail:
      kid === ""
        ? "The key id of the external account binding is empty."
        : "The HMAC key of the external account binding is not base64url (A-Z a-z 0-9 _ -).",
    hint: "Copy key id and HMAC key from the CA's website as they stand there: --eab-kid and --eab-hmac.",
  });
}

function bindingRequired(): Problem {
  const type = errorType("externalAccountRequired");
  const hint = hintFor(type, { what: "new account" });
  return new Problem(type, {
    detail: "This CA makes no account without an external account binding.",
    hint,
  });
}
