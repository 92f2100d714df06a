/** What to do about a CA's error, by its type. The one place that knows what the types mean to an operator. */
import type { Directory } from "./acme.ts";

/** What a hint may speak of. */
export interface Situation {
  /** What was asked for, e.g. `new order`. */
  readonly what: string;
  readonly directory?: Directory | undefined;
  readonly accountUrl?: string | undefined;
  /** Link rel="terms-of-service" of the answer (RFC 8555 §7.3.3). */
  readonly terms?: string | undefined;
  readonly instance?: string | undefined;
}

type Hint = string | ((situation: Situation) => string);

const prefix = "urn:ietf:params:acme:error:";

/** A hint for a problem document that answered a request; undefined for types that nobody has described. */
export function hintFor(type: string, situation: Situation): string | undefined {
  const name = type.startsWith(prefix) ? type.slice(prefix.length) : "";
  const hint = Object.hasOwn(hints, name) ? hints[name] : undefined;
  return typeof hint === "function" ? hint(situation) : hint;
}

/** A hint for the error of a challenge. */
export function challengeHint(type: string | undefined, challenge = ""): string {
  const name = type?.startsWith(prefix) ? type.slice(prefix.length) : "";
  const hint = Object.hasOwn(challengeHints, name) ? challengeHints[name] : undefined;
  if (typeof hint === "string") return hint;
  const text = hint?.[challenge] ?? hint?.["any"];
  return text ?? "Mend what the CA reports, then run the command again.";
}

const caa = ({ directory, accountUrl }: Situation): string => {
  const issuers = directory?.meta.caaIdentities ?? [];
  const issuer = issuers[0] ?? "the CA's domain";
  return [
    `A CAA record forbids this CA. Add: example.com. CAA 0 issue "${issuer}"`,
    `(for a wildcard: issuewild${issuers.length > 1 ? `; the CA also answers to ${issuers.slice(1).join(", ")}` : ""}).`,
    accountUrl === undefined ? "" : `Where accounturi is set there, it must be ${accountUrl};`,
    "where validationmethods is set, it must name the challenge used.",
    "If there is no CAA record, the DNS servers answer CAA queries with an error.",
  ]
    .filter((part) => part !== "")
    .join(" ");
};

const profiles = ({ directory }: Situation): string => {
  const offered = Object.entries(directory?.meta.profiles ?? {});
  if (offered.length === 0) return "This CA offers no profiles: leave --profile away.";
  const list = offered.map(([name, text]) => (text === "" ? name : `${name} (${text})`));
  return `The CA offers: ${list.join("; ")}. Choose one with --profile, or leave it away.`;
};

const agreement = ({ terms, instance, directory }: Situation): string => {
  const page = terms ?? directory?.meta.termsOfService;
  return [
    instance ? `Open ${instance} in a browser and do what it asks.` : "The CA waits for you.",
    page ? `The terms of service are at ${page}; agree with --agree-tos.` : "",
  ]
    .join(" ")
    .trim();
};

const unauthorized = ({ what }: Situation): string =>
  what === "new account"
    ? "Check key id and HMAC key (--eab-kid, --eab-hmac): both must be this CA's, and many CAs take each pair only once."
    : "The account may not do this. Is the account key the right one for this CA, and the account still active? See: acmectl account show";

const hints: Readonly<Record<string, Hint>> = {
  accountDoesNotExist:
    "The CA does not know the account that is kept here. Was it made at another CA or at the staging environment, or was this CA set up anew? To register its key again: acmectl account register --reregister, and then acmectl renew --force.",
  alreadyReplaced: "Another order has replaced this certificate already; order without replacing.",
  alreadyRevoked: "Nothing is left to do: the certificate is revoked.",
  badCSR: "Check key type and names of the CSR; try without --csr, or another --key-type.",
  badNonce: "The CA refused every nonce that it had given out. Try again later, and tell the CA.",
  badPublicKey:
    "Choose another key: RSA of 2048, 3072 or 4096 bits, P-256 or P-384, used for nothing else.",
  badRevocationReason: "Most CAs allow the reasons 0, 1, 4 and 5 only.",
  badSignatureAlgorithm: "Use an account key of type ec256 (ES256), which every CA takes.",
  caa,
  compound: "Several things failed; each is listed below.",
  connection: "The CA could not reach the host. Check firewall, address records and port.",
  dns: "The CA could not look up the name. Check its delegation and DNSSEC.",
  externalAccountRequired:
    "This CA wants an account made on its website first. Copy key id and HMAC key from there: --eab-kid ID --eab-hmac env:NAME (or file:PATH).",
  incorrectResponse: "The CA saw another response than expected.",
  invalidContact: "Give a real e-mail address: --email you@example.com",
  invalidProfile: profiles,
  malformed:
    "The CA did not understand the request. If the server URL is right, report this to acmectl with the output of -v.",
  orderNotReady:
    "The CA has not counted every validation yet. Run the command again in a minute; it goes on with the same order.",
  rateLimited:
    "Wait until the time given. If the CA's words hold a link, it tells more, or lifts the limit (a paused account or name).",
  rejectedIdentifier:
    "The CA issues no certificate for this name: leave it out, or choose another CA.",
  serverInternal: "The trouble is at the CA. Look at its status page and try again later.",
  tls: "The CA could not speak TLS with the host. Check what answers on port 443.",
  unauthorized,
  unsupportedContact: "The CA takes e-mail addresses only: --email you@example.com",
  unsupportedIdentifier:
    "The CA issues no certificate for this kind of name. IP addresses need a CA, and often a --profile, that serves them.",
  userActionRequired: agreement,
};

const look = "Look at the name from outside this network.";
const challengeHints: Readonly<Record<string, string | Readonly<Record<string, string>>>> = {
  connection: {
    "http-01": `The CA could not reach port 80 of the host. Open it in the firewall, and check both A and AAAA records: IPv6 is tried first. ${look}`,
    "tls-alpn-01": `The CA could not reach port 443 of the host. Open it in the firewall, and check both A and AAAA records: IPv6 is tried first. ${look}`,
    any: "The CA could not connect. Check firewall and address records.",
  },
  dns: {
    "dns-01":
      "The CA could not look up the TXT record. Check that the zone is delegated to the servers written to, and its DNSSEC.",
    any: "The CA found no address for the name. Check that it exists in the public DNS, and its DNSSEC.",
  },
  unauthorized: {
    "http-01":
      "The CA reached a web server that did not give the expected answer. Is the name's A or AAAA record that of this host, and does the server pass /.well-known/acme-challenge/ through?",
    "dns-01":
      "The CA saw other TXT values than expected. Give the record more time (propagation), and check that every name server of the zone has it.",
    any: "The CA got another answer than expected. Does the name point to this host?",
  },
  incorrectResponse: {
    "http-01":
      "The response differs from what was published. Look for a proxy, a cache or a redirect in between.",
    "dns-01":
      "The TXT value differs from what was published. Look for a second _acme-challenge record set, a CNAME or a slow secondary.",
    any: "The response differs from what was published.",
  },
  tls: "The CA could not speak TLS with the host. Look for another server on port 443, or a redirect to a host with a broken certificate.",
  caa: "A CAA record forbids this CA, restricts account or method, or the DNS servers fail on CAA queries. Check with: dig CAA and the name, and each of its parents.",
  rejectedIdentifier:
    "The CA issues no certificate for this name: leave it out, or choose another CA.",
  rateLimited: "Wait; if the CA's words hold a link, it tells more.",
  serverInternal: "The trouble is at the CA. Try again later.",
};
