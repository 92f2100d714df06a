/** What a person gives to register an account: the contact and the external account binding. */
import { Problem } from "../problem.ts";
import type { ExternalAccountBinding } from "./acme.ts";

/** RFC 8555 §7.3: one address, no header fields. */
export function assertContacts(contacts: readonly string[]): void {
  const wrong = contacts.find((contact) => !/^mailto:[^\s?,@]+@[^\s?,@]+$/.test(contact));
  if (wrong === undefined) return;
  throw new Problem("usage", {
    detail: `"${wrong.replace(/^mailto:/, "")}" is not a single email address.`,
    hint: "Give one address: --email you@example.com",
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
    hint: "Copy key id and HMAC key unchanged from the CA's website: --eab-kid and --eab-hmac.",
  });
}
