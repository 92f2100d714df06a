/** The directory (RFC 8555 §7.1.1): what a CA offers, and where. */
import type { Directory } from "../acme.ts";
import { isRecord } from "../../json.ts";
import type { Transport } from "../transport/transport.ts";
import {
  canonicalIssuer,
  inCamelCase,
  type Json,
  malformed,
  object,
  type Origin,
  shown,
  texts,
  webPage,
} from "./schema.ts";

const required = ["newNonce", "newAccount", "newOrder"] as const;

/** Check a directory. Every URL in it is pinned: their hosts are the CA's. */
export function readDirectory(url: string, body: unknown, transport: Transport): Directory {
  const origin = { what: "directory", url, transport };
  const source = object(body, origin);
  const missing = required.filter((name) => typeof source[name] !== "string");
  if (missing.length > 0) {
    throw malformed(origin, `it has no ${missing.join(", ")}; this is not an ACME directory`);
  }
  const link = (name: string) => endpoint(source, name, origin);
  // An issuance needs none of these: a broken URL must not prevent it.
  const optional = (name: string) => (usable(source[name]) ? link(name) : undefined);
  const resources = {
    newNonce: link("newNonce"),
    newAccount: link("newAccount"),
    newOrder: link("newOrder"),
    revokeCert: optional("revokeCert"),
    keyChange: optional("keyChange"),
    renewalInfo: optional("renewalInfo"),
  };
  for (const resource of Object.values(resources))
    if (resource !== undefined) transport.pin(resource);
  return { url, ...resources, meta: readMeta(source["meta"], origin) };
}

function usable(value: unknown): value is string {
  const url =
    typeof value === "string" && /^https:\/\/[!-~]{1,2048}$/.test(value) ? URL.parse(value) : null;
  return url?.protocol === "https:" && url.username === "";
}

function endpoint(source: Json, name: string, origin: Origin): string {
  const value = source[name];
  if (usable(value)) return value;
  throw malformed(
    origin,
    `its "${name}" is "${shown(String(value), 200, origin)}", which is not an https URL`,
  );
}

function readMeta(value: unknown, origin: Origin): Directory["meta"] {
  const meta = isRecord(value) ? inCamelCase(value) : {};
  return {
    termsOfService: webPage(meta["termsOfService"]),
    website: webPage(meta["website"]),
    caaIdentities: texts(meta["caaIdentities"], origin),
    issuerDomainNames: texts(meta["issuerDomainNames"], origin).map(canonicalIssuer),
    accountHashPrefix: hashPrefix(meta["accountHashPrefix"]),
    externalAccountRequired: meta["externalAccountRequired"] === true,
    profiles: profiles(meta["profiles"], origin),
  };
}

/** A URI to which more is added; what a record cannot contain is treated as absent. */
function hashPrefix(value: unknown): string | undefined {
  const isUri = typeof value === "string" && /^[a-z]+:[!-:<-~]{1,300}$/.test(value);
  return isUri ? value : undefined;
}

function profiles(value: unknown, origin: Origin): Record<string, string> {
  if (!isRecord(value)) return {};
  const named = Object.entries(value).filter(([name]) => /^[!-~]{1,100}$/.test(name));
  return Object.fromEntries(
    named.map(([name, text]) => [name, typeof text === "string" ? shown(text, 500, origin) : ""]),
  );
}
