/** Public CAs by name. A CA that has ended its service (Buypass) is not listed. */
import { closest, distance } from "fastest-levenshtein";
import { Problem } from "../problem.ts";
import { printable } from "./text.ts";

export interface Preset {
  readonly name: string;
  /** The directory. */
  readonly url: string;
  readonly aliases: readonly string[];
  /** What it goes by in CAA records, for a directory that does not say. */
  readonly caaIdentities?: readonly string[] | undefined;
  readonly demands?: Demands | undefined;
  /** Its tools print HMAC keys in base64 twice. */
  readonly encodesTwice?: true;
  readonly limits?: Limits | undefined;
  /** Limits toward which an order for exactly the names of an earlier certificate does not count. */
  readonly freeForRenewals?: readonly LimitName[] | undefined;
  readonly renewal?: RenewalWindow | undefined;
}

/** When the renewal information (RFC 9773) of a CA asks for renewal, in parts of the lifetime. */
export interface RenewalWindow {
  /** What is left in the middle of the window. */
  readonly left: number;
  /** The same where the lifetime is below ten days. */
  readonly leftOfShort: number;
  readonly width: number;
}

/** What a CA refuses to do without, known before the first request. */
export interface Demands {
  /** An account needs an email address. */
  readonly contact?: true;
  /** An account needs an external account binding; `once`: each one registers a single account. */
  readonly binding?: "reusable" | "once";
  /** Within how many days a binding must be used. */
  readonly bindingDays?: number;
  /** A CSR must not ask for client authentication. */
  readonly noClientAuth?: true;
  /** An order must not say the dates of its certificate. */
  readonly noDates?: true;
  /** A CSR must not ask for OCSP stapling. */
  readonly noMustStaple?: true;
  /** The most names of a certificate, by profile; `*` is any other, or none. */
  readonly names?: Readonly<Record<string, number>>;
  /** The profiles that may name IP addresses. */
  readonly addresses?: readonly string[];
  readonly keyTypes?: readonly string[];
}

/** How often something may happen. What was used comes back evenly over the time. */
export interface RateLimit {
  readonly most: number;
  /** Milliseconds. */
  readonly per: number;
}
export const limitNames = [
  "accountsPerMachine",
  "ordersPerAccount",
  "certificatesPerDomain",
  "certificatesPerSet",
  "failuresPerName",
  "failuresInARow",
  "requestsPerWorker",
] as const;
export type LimitName = (typeof limitNames)[number];
/** A limit that is absent is not known. */
export type Limits = Readonly<Partial<Record<LimitName, RateLimit>>>;

const hour = 3_600_000;
const week = 7 * 24 * hour;

const boulder: Demands = {
  noDates: true,
  noMustStaple: true,
  names: { "*": 100, tlsserver: 25, shortlived: 25 },
  addresses: ["shortlived"],
  keyTypes: ["ec256", "ec384", "rsa2048", "rsa3072", "rsa4096"],
};
const freeForRenewals: readonly LimitName[] = ["ordersPerAccount", "certificatesPerDomain"];
/** The CA counts them for each IP address; 20 a second, 10 at once, is its least, for new nonces. */
const requestsPerWorker: RateLimit = { most: 10, per: 500 };
const boulderRenewal: RenewalWindow = { left: 1 / 3, leftOfShort: 1 / 2, width: 1 / 50 };
// cloud.google.com/certificate-manager/docs/public-ca-tutorial
const google: Demands = { contact: true, binding: "once", bindingDays: 7, noClientAuth: true };

/** The staging environment of NAME is NAME-staging. */
export const presets: readonly Preset[] = [
  {
    name: "letsencrypt",
    url: "https://acme-v02.api.letsencrypt.org/directory",
    aliases: ["le", "lets-encrypt", "letsencrypt.org"],
    caaIdentities: ["letsencrypt.org"],
    demands: boulder,
    renewal: boulderRenewal,
    // letsencrypt.org/docs/rate-limits, as of August 2026.
    limits: {
      accountsPerMachine: { most: 10, per: 3 * hour },
      ordersPerAccount: { most: 300, per: 3 * hour },
      certificatesPerDomain: { most: 50, per: week },
      certificatesPerSet: { most: 5, per: week },
      failuresPerName: { most: 5, per: hour },
      // One comes back each day, all of them when the name is validated.
      failuresInARow: { most: 1152, per: 1152 * 24 * hour },
      requestsPerWorker,
    },
    freeForRenewals,
  },
  {
    name: "letsencrypt-staging",
    url: "https://acme-staging-v02.api.letsencrypt.org/directory",
    aliases: ["le-staging", "letsencrypt_test", "letsencrypt-test", "staging"],
    caaIdentities: ["letsencrypt.org"],
    demands: boulder,
    renewal: boulderRenewal,
    // letsencrypt.org/docs/staging-environment; those per domain and per set of names are far higher.
    limits: {
      accountsPerMachine: { most: 50, per: 3 * hour },
      ordersPerAccount: { most: 1500, per: 3 * hour },
      failuresPerName: { most: 200, per: hour },
      requestsPerWorker,
    },
    freeForRenewals,
  },
  {
    name: "zerossl",
    url: "https://acme.zerossl.com/v2/DV90",
    aliases: ["zerossl.com"],
    demands: { binding: "reusable" },
  },
  {
    name: "google",
    url: "https://dv.acme-v02.api.pki.goog/directory",
    aliases: ["gts", "googletrustservices"],
    caaIdentities: ["pki.goog"],
    demands: google,
    encodesTwice: true,
  },
  {
    name: "google-staging",
    url: "https://dv.acme-v02.test-api.pki.goog/directory",
    aliases: ["gts-staging", "googletest", "google-test"],
    caaIdentities: ["pki.goog"],
    demands: google,
    encodesTwice: true,
  },
  {
    name: "sslcom-ecc",
    url: "https://acme.ssl.com/sslcom-dv-ecc",
    aliases: ["sslcom", "ssl.com", "sslcom-ec", "sslcomecc"],
    demands: { binding: "reusable" },
  },
  {
    name: "sslcom-rsa",
    url: "https://acme.ssl.com/sslcom-dv-rsa",
    aliases: ["sslcomrsa"],
    demands: { binding: "reusable" },
  },
  {
    name: "actalis",
    url: "https://acme-api.actalis.com/acme/directory",
    aliases: ["actalis.com"],
    demands: { binding: "reusable" },
  },
];

/** `--server` of the CA that is part of acmectl. */
export const embeddedCa = "local";

/** True for the embedded CA. It runs inside this process and forgets accounts, orders and certificates when it ends. */
export function isEmbedded(server: string): boolean {
  return server === embeddedCa;
}

/** In what CAs differ by their kind. */
export interface Traits {
  /** It knows no account, order and certificate of an earlier run. */
  readonly forgets: boolean;
  /** It limits how often something is asked of it. */
  readonly limits: boolean;
  /** It looks at CAA records and DNSSEC. */
  readonly checksDns: boolean;
  /** It connects to this machine, so that acmectl's own server proves a name where no solver was chosen. */
  readonly connectsHere: boolean;
}

const remote: Traits = { forgets: false, limits: true, checksDns: true, connectsHere: false };
const embedded: Traits = { forgets: true, limits: false, checksDns: false, connectsHere: true };

export function traitsOf(server: string): Traits {
  return isEmbedded(server) ? embedded : remote;
}

/**
 * The directory URL for a preset's name or an https URL, whose `https://` may be missing; the embedded CA keeps its name.
 * A `usage` Problem for anything else.
 */
export function resolveServer(text: string): string {
  const given = text.trim();
  if (given === embeddedCa) return embeddedCa;
  const preset = presetNamed(given.toLowerCase());
  if (preset !== undefined) return preset.url;
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(given)) return checkedUrl(given);
  if (address.test(given)) return checkedUrl(`https://${given}`);
  throw unknown(given);
}

/** A host with a port or a path: `ca.lan:9000/acme/acme/directory`, `[::1]:14000/dir`, `ca.example.com/directory`. */
const address = /^(?:(?:[\w.-]+|\[[0-9a-f:.]+\]):\d+(?:\/.*)?|[\w-]+(?:\.[\w-]+)+\/.*)$/i;

/** The directory of the staging environment that belongs to this one; itself when it is one; undefined when none is known. */
export function stagingOf(url: string): string | undefined {
  if (url === embeddedCa) return embeddedCa;
  const preset = presetOf(url);
  if (preset === undefined) return undefined;
  if (preset.name.endsWith("-staging")) return preset.url;
  return presetNamed(`${preset.name}-staging`)?.url;
}

/** True for staging environments and the embedded CA, whose certificates browsers do not trust. */
export function isForTesting(server: string): boolean {
  return isEmbedded(server) || presetOf(server)?.name.endsWith("-staging") === true;
}

/** A query in the URL, such as Google's `?client_auth=true`, does not make it another CA. */
export function presetOf(url: string): Preset | undefined {
  return presets.find((preset) => preset.url === url.replace(/\?.*$/, ""));
}

/** The name of the preset, else the host of the directory: how people call the CA. */
export function caName(server: string): string {
  return presetOf(server)?.name ?? URL.parse(server)?.host ?? server;
}

/** The most names that a certificate of this CA may have; undefined when that is not known. */
export function mostNames(server: string, profile: string | undefined): number | undefined {
  const names = presetOf(server)?.demands?.names;
  return names?.[profile ?? "*"] ?? names?.["*"];
}

function presetNamed(name: string): Preset | undefined {
  return presets.find((preset) => preset.name === name || preset.aliases.includes(name));
}

function checkedUrl(text: string): string {
  const url = URL.parse(text);
  if (url === null || !/^[!-~]+$/.test(text)) {
    throw new Problem("usage", {
      detail: `"${printable(text, 300)}" is not a URL.`,
      hint: "Give the URL of the CA's ACME directory, e.g. https://ca.example.com/acme/directory",
    });
  }
  if (url.protocol !== "https:") {
    throw new Problem("usage", {
      detail: `${printable(text, 300)}: ACME requires https (RFC 8555 §6.1).`,
      hint: "Use the https URL of the directory; for a private CA give its root with --ca-bundle FILE.",
    });
  }
  if (url.username !== "" || url.password !== "") {
    throw new Problem("usage", {
      detail: `The server URL on ${url.host} contains a user name or password.`,
      hint: "Remove it. Give credentials from the CA's website with --eab-kid and --eab-hmac.",
    });
  }
  return text;
}

function unknown(text: string): Problem {
  const names = [...presets.map(({ name }) => name), embeddedCa];
  const nearest = closest(text.toLowerCase(), names);
  const near = distance(text.toLowerCase(), nearest) <= Math.max(2, text.length / 2);
  const listed = near ? [nearest, ...names.filter((name) => name !== nearest)] : names;
  const domain = /^[\w-]+(\.[\w-]+)+$/.test(text)
    ? ` For a CA on that host, give the URL of its directory, e.g. https://${text}/acme/directory`
    : "";
  return new Problem("usage", {
    detail: `"${printable(text, 300)}" is neither a known CA nor a URL.`,
    hint: `${near ? `Did you mean ${nearest}? ` : ""}Known names: ${listed.join(", ")}.${domain}`,
  });
}
