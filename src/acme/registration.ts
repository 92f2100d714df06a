/** What a person gives to register an account: the contact and the external account binding. */
import { createHmac } from "node:crypto";
import { Problem } from "../problem.ts";
import type { ExternalAccountBinding } from "./acme.ts";
import { presetOf } from "./presets.ts";

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
  const text = bare(hmacKey)
    .replaceAll(/\s/g, "")
    .replace(/={1,2}$/, "");
  const key = text.replaceAll("+", "-").replaceAll("/", "_");
  const fault =
    bare(kid) === "" ? "The key id of the external account binding is empty" : faultOf(text, key);
  if (fault === undefined) return { kid: bare(kid), hmacKey: key, algorithm };
  throw new Problem("config", {
    detail: `${fault}.`,
    hint: "Copy key id and HMAC key unchanged from the CA's website: --eab-kid and --eab-hmac.",
  });
}

function faultOf(text: string, key: string): string | undefined {
  const named = "The HMAC key of the external account binding";
  if (!/^[A-Za-z0-9_-]+$/.test(key)) return `${named} is not base64 (A-Z a-z 0-9 and _ - or / +)`;
  // Base64 has either; of both it is not known what was meant.
  if (/[+/]/.test(text) && /[_-]/.test(text)) return `${named} has both _ or - and / or +`;
  return key.length % 4 === 1
    ? `${named} is not whole: no base64 has ${key.length} letters`
    : undefined;
}

/** The binding as a JWS over the account's public key (RFC 8555 §7.3.4). */
export function signBinding(
  { kid, hmacKey, algorithm = "HS256" }: ExternalAccountBinding,
  jwk: object,
  url: string,
): object {
  const head = encoded({ alg: algorithm, kid, url });
  const payload = encoded(jwk);
  const mac = createHmac(`sha${algorithm.slice(2)}`, Buffer.from(hmacKey, "base64url"));
  const signature = mac.update(`${head}.${payload}`).digest("base64url");
  return { protected: head, payload, signature };
}

const encoded = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

function bare(text: string): string {
  return text
    .trim()
    .replace(/^(["'])(.*)\1$/s, "$2")
    .trim();
}

/**
 * Google's gcloud prints the HMAC key in base64 once more: the key in it, if it looks like one. Random bytes are hardly ever
 * base64 text themselves, but the key of a private CA may be readable words.
 */
export function decodedTwice(hmacKey: string): string | undefined {
  const inner = Buffer.from(hmacKey, "base64url").toString("latin1").trim();
  return /^[A-Za-z0-9_+/-]{22,}={0,2}$/.test(inner) ? inner : undefined;
}

/** Where the binding of a new account with this CA comes from. */
export function bindingHint(server: string): string {
  const preset = presetOf(server);
  const { binding, bindingDays } = preset?.demands ?? {};
  const within = bindingDays === undefined ? "" : `, within ${bindingDays} days`;
  const once = binding === "once" ? ` Each pair registers one account only${within}.` : "";
  const pair = `key id and an HMAC key from the CA's website, then give --eab-kid ID and ACMECTL_EAB_HMAC=KEY (or --eab-hmac file:/path).${once}`;
  if (preset?.name !== "zerossl") return `Get a ${pair}`;
  return `Give --email you@example.com or ACMECTL_ZEROSSL_API_KEY=KEY, for which ZeroSSL gives one. Or get a ${pair}`;
}
