/** What to do about a CA's error, by its type and by the request that failed. */
import type { Identifier } from "../plugin.ts";
import type { Directory } from "./acme.ts";

/** What a hint may speak of. */
export interface Situation {
  /** The request that failed, e.g. `new order`. */
  readonly what: string;
  /** How command lines name this CA: `--server URL`. */
  readonly flags: string;
  readonly status?: number | undefined;
  readonly directory?: Directory | undefined;
  readonly accountUrl?: string | undefined;
  /** Link rel="terms-of-service" of the answer (RFC 8555 §7.3.3). */
  readonly terms?: string | undefined;
  readonly instance?: string | undefined;
  /** The CA's words. */
  readonly detail?: string | undefined;
}

type Hint = string | ((situation: Situation) => string);

const prefix = "urn:ietf:params:acme:error:";
export const errorType = (name: string): string => prefix + name;
const nameOf = (type = "") => (type.startsWith(prefix) ? type.slice(prefix.length) : "");

/** A hint for a problem document that answered a request; undefined for unknown types. */
export function hintFor(type: string, situation: Situation): string | undefined {
  // step-ca and Caddy send 501 with the type of another error.
  if (situation.status === 501) return notImplemented(situation);
  const most = mostNames(situation);
  if (most !== undefined) return `Split the names over several certificates, at most ${most} each.`;
  if (refusesDates(situation))
    return "Leave --duration, --not-before and --not-after out: this CA chooses the dates of a certificate itself, or by its profile.";
  const name = nameOf(type);
  const hint = Object.hasOwn(hints, name) ? hints[name] : undefined;
  return typeof hint === "function" ? hint(situation) : hint;
}

/** How many names an order may have, where the CA says that there are too many: no error type says so. */
function mostNames({ what, detail = "" }: Situation): number | undefined {
  if (what !== "new order" || !/\b(names|identifiers|domains)\b/i.test(detail)) return undefined;
  const found = /\btoo many\b|\b(?:more than|at most|maximum(?: of| is)?) (\d+)\b/i.exec(detail);
  return found === null ? undefined : Number(found[1] ?? 100);
}

/** The dates of an order (RFC 8555 §7.1.3) have no error type of their own either. */
function refusesDates({ what, detail = "" }: Situation): boolean {
  return what === "new order" && /\bnot_?(?:before|after)\b/i.test(detail);
}

/** A hint for the error of a challenge. */
export function challengeHint(
  type: string | undefined,
  challenge = "",
  {
    name: identifier,
    detail = "",
    ...situation
  }: CaaFacts & { readonly name?: Identifier; readonly detail?: string | undefined } = {},
): string {
  const name = isLookup(type, detail) ? "dns" : nameOf(type);
  if (name === "caa") return caa(situation, identifier, challenge);
  const hint = Object.hasOwn(challengeHints, name) ? challengeHints[name] : undefined;
  if (typeof hint === "string") return hint;
  const text = hint?.[challenge] ?? hint?.["any"];
  return text ?? "Fix what the CA reports, then run the command again.";
}

/** Some CAs call it a failed connection. */
function isLookup(type: string | undefined, detail: string): boolean {
  return nameOf(type) === "connection" && /\b(?:DNS|NXDOMAIN|SERVFAIL)\b/i.test(detail);
}

/** A command line that works when it is pasted. */
export function registerCommand(flags: string, { again = false } = {}): string {
  return `acmectl account register${again ? " --reregister" : ""} ${flags} --agree-tos`;
}

const notImplemented = ({ what, flags }: Situation): string =>
  what === "key change" ? otherKey(flags) : `This CA does not implement the request (${what}).`;

/** For a CA without key changes. */
export const otherKey = (flags: string): string =>
  `Keep the key: this CA cannot change an account key. To use another one, deactivate the account and register again: acmectl account deactivate ${flags} && ${registerCommand(flags, { again: true })}`;

type CaaFacts = Pick<Situation, "accountUrl" | "directory">;

const caa = (
  { directory, accountUrl }: CaaFacts,
  { value }: Pick<Identifier, "value"> = { value: "example.com" },
  challenge = "the challenge type used",
): string => {
  const issuers = directory?.meta.caaIdentities ?? [];
  const issuer = issuers[0] ?? "the CA's domain";
  const tag = value.startsWith("*.") ? "issuewild" : "issue";
  return [
    `A CAA record forbids this CA. Add: ${value.replace("*.", "")}. CAA 0 ${tag} "${issuer}"`,
    `(for a wildcard: issuewild${issuers.length > 1 ? `; the CA also accepts ${issuers.slice(1).join(", ")}` : ""}).`,
    accountUrl === undefined ? "" : `If the record sets accounturi, it must be ${accountUrl};`,
    `if it sets validationmethods, it must list ${challenge}.`,
    "If there is no CAA record, the DNS servers answer CAA queries with an error.",
  ]
    .filter((part) => part !== "")
    .join(" ");
};

const profiles = ({ directory }: Situation): string => {
  const offered = Object.entries(directory?.meta.profiles ?? {});
  if (offered.length === 0) return "This CA does not offer profiles: leave --profile out.";
  const list = offered.map(([name, text]) => (text === "" ? name : `${name} (${text})`));
  return `The CA offers: ${list.join("; ")}. Choose one with --profile, or leave it out.`;
};

const agreement = ({ terms, instance, directory }: Situation): string => {
  const page = terms ?? directory?.meta.termsOfService;
  return [
    instance ? `Open ${instance} in a browser and do what it asks.` : "Do what the CA asks.",
    page ? `The terms of service are at ${page}; agree with --agree-tos.` : "",
  ]
    .join(" ")
    .trim();
};

const checkEab =
  "Check key id and HMAC key (--eab-kid, --eab-hmac): both must be from this CA, and many CAs accept each pair only once.";
const refusesName = "Leave the name out, or choose another CA: this one issues nothing for it.";

const hints: Readonly<Record<string, Hint>> = {
  accountDoesNotExist: ({ flags }) =>
    `Check that the stored account belongs to this CA and environment; a CA that was set up again has forgotten it. To register its key again, before you repeat the command with --force: ${registerCommand(flags, { again: true })}`,
  alreadyReplaced: "Order without replacing: another order has replaced this certificate already.",
  alreadyRevoked: "Nothing is left to do: the certificate is revoked.",
  badCSR: "Check key type and names of the CSR; try without --csr, or another --key-type.",
  badNonce: "Try again later, and report it to the CA: it rejects its own nonces.",
  badPublicKey: ({ what }) =>
    what === "finalization"
      ? "Choose another key for the certificate (--key-type ec256, ec384, rsa2048, rsa3072 or rsa4096) that no account uses."
      : "Choose another account key: RSA of 2048, 3072 or 4096 bits, P-256 or P-384, used for nothing else.",
  badRevocationReason: "Use reason 0, 1, 4 or 5: most CAs accept no other.",
  badSignatureAlgorithm: "Use an account key of type ec256 (ES256), which every CA accepts.",
  caa,
  compound: "Fix each of the problems listed below.",
  connection: "Check firewall, address records and port: the CA could not reach the host.",
  dns: "Check delegation and DNSSEC of the name: the CA could not look it up.",
  externalAccountRequired:
    "Create an account on the CA's website first. Copy key id and HMAC key from there: --eab-kid ID --eab-hmac env:NAME (or file:PATH).",
  incorrectResponse: "Check what answers for the name: the CA saw another response than expected.",
  invalidContact: "Give a real email address: --email you@example.com",
  invalidProfile: profiles,
  malformed: ({ what }) =>
    what === "key change"
      ? "Check that no other account uses the new key, and that the CA supports changing account keys."
      : "Check the server URL. If it is right, report this to acmectl with the output of -v.",
  orderNotReady:
    "Run the command again in a minute: the CA has not counted every validation yet. It continues with the same order.",
  rateLimited:
    "Wait until the limit ends. A link in the CA's words explains the limit, or lifts it (a paused account or name).",
  rejectedIdentifier: ({ what }) =>
    what === "new order" || what === "finalization"
      ? refusesName
      : "Read the CA's words: it rejects this request.",
  serverInternal: "Try again later, and look at the CA's status page: the CA has a problem.",
  tls: "Check what answers on port 443: the CA could not speak TLS with the host.",
  unauthorized: ({ what, flags }) => {
    if (what === "new account") return checkEab;
    return what === "revocation"
      ? "Revoke with the account that ordered the certificate, or with the certificate's own key."
      : `Check that the account key belongs to this CA and that the account is active: acmectl account show ${flags}`;
  },
  unsupportedContact: "Give an email address: --email you@example.com",
  unsupportedIdentifier:
    "Use another CA or --profile for this kind of name; only some CAs issue for IP addresses.",
  userActionRequired: agreement,
};

const outside = "Test from outside this network.";
const challengeHints: Readonly<Record<string, string | Readonly<Record<string, string>>>> = {
  connection: {
    "http-01": `Open port 80 in the firewall, and check both A and AAAA records: the CA could not connect, and tries IPv6 first. ${outside}`,
    "tls-alpn-01": `Open port 443 in the firewall, and check both A and AAAA records: the CA could not connect, and tries IPv6 first. ${outside}`,
    any: "Check firewall and address records: the CA could not connect.",
  },
  dns: {
    "dns-01":
      "Check that the zone is delegated to the servers that hold the TXT record, and its DNSSEC: the CA could not look it up.",
    any: "Check that the name exists in the public DNS, and its DNSSEC: the CA found no address for it.",
  },
  unauthorized: {
    "http-01":
      "Check that the name's A and AAAA records point to this host, and that the web server serves /.well-known/acme-challenge/: the CA got another answer than expected.",
    "dns-persist-01":
      "Compare the record with `acmectl account persist`: the CA found none for this account, or it has ended.",
    "dns-01":
      "Give the record more time (propagation), and check that every name server of the zone has it: the CA saw other TXT values.",
    any: "Check that the name points to this host: the CA got another answer than expected.",
  },
  incorrectResponse: {
    "http-01":
      "Look for a proxy, a cache or a redirect in between: the response differs from what was published.",
    "dns-01":
      "Look for a second _acme-challenge record set, a CNAME or a slow secondary: the TXT value differs from what was published.",
    any: "Check what answers for the name: the response differs from what was published.",
  },
  tls: "Look for another server on port 443, or a redirect to a host with a broken certificate: the CA could not speak TLS.",
  rejectedIdentifier: refusesName,
  rateLimited: "Wait; a link in the CA's words explains the limit.",
  serverInternal: "Try again later: the CA has a problem.",
};
