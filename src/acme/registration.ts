/** What a person gives to register an account: the contact and the external account binding. */
import { createHmac } from "node:crypto";
import { Problem } from "../problem.ts";
import type { ExternalAccountBinding } from "./acme.ts";

/** The email address without blanks and without a `mailto:` before it. RFC 8555 §7.3: one address, no header fields. */
export function readEmail(text: string): string {
  const address = text.trim().replace(/^mailto:/i, "");
  if (/^[^\s?,@:]+@[^\s?,@]+$/.test(address)) return address;
  throw new Problem("usage", {
    detail: `"${address}" is not a single email address.`,
    hint: "Give one address: --email you@example.com",
  });
}

/**
 * The binding (RFC 8555 §7.3.4) in the form that is signed: websites and password stores add blanks and quotes, and some CAs
 * show the key in standard base64.
 */
export function readBinding({
  kid,
  hmacKey,
  algorithm,
}: ExternalAccountBinding): ExternalAccountBinding {
  const key = bare(hmacKey).replaceAll(/\s/g, "").replaceAll("+", "-").replaceAll("/", "_");
  const read = { kid: bare(kid), hmacKey: key.replace(/={1,2}$/, ""), algorithm };
  if (read.kid !== "" && /^[A-Za-z0-9_-]+$/.test(read.hmacKey)) return read;
  throw new Problem("config", {
    detail:
      read.kid === ""
        ? "The key id of the external account binding is empty."
        : "The HMAC key of the external account binding is not base64 (A-Z a-z 0-9 and _ - or / +).",
    hint: "Copy key id and HMAC key unchanged from the CA's website: --eab-kid and --eab-hmac.",
  });
}

/** The binding as a JWS over the account's public key (RFC 8555 §7.3.4). */
export function signBinding(
  { kid, hmacKey, algorithm = "HS256" }: ExternalAccountBinding,
  jwk: object,
  url: string,
): object {
  const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = encoded({ alg: algorithm, kid, url });
  const payload = encoded(jwk);
  const mac = createHmac(`sha${algorithm.slice(2)}`, Buffer.from(hmacKey, "base64url"));
  const signature = mac.update(`${head}.${payload}`).digest("base64url");
  return { protected: head, payload, signature };
}

function bare(text: string): string {
  return text
    .trim()
    .replace(/^(["'])(.*)\1$/s, "$2")
    .trim();
}

/** Google's gcloud prints the HMAC key in base64 once more. Random bytes are hardly ever base64 text themselves. */
export function isEncodedTwice(hmacKey: string): boolean {
  return /^[A-Za-z0-9_+/-]{22,}={0,2}\s*$/.test(
    Buffer.from(hmacKey, "base64url").toString("latin1"),
  );
}
