/** Public CAs by name. A CA that has ended its service (Buypass) is not listed. */
import { closest, distance } from "fastest-levenshtein";
import { Problem } from "../problem.ts";
import { printable } from "./text.ts";

export interface Preset {
  readonly name: string;
  /** The directory. */
  readonly url: string;
  readonly aliases: readonly string[];
}

/** The staging environment of NAME is NAME-staging. */
export const presets: readonly Preset[] = [
  {
    name: "letsencrypt",
    url: "https://acme-v02.api.letsencrypt.org/directory",
    aliases: ["le", "lets-encrypt", "letsencrypt.org"],
  },
  {
    name: "letsencrypt-staging",
    url: "https://acme-staging-v02.api.letsencrypt.org/directory",
    aliases: ["le-staging", "letsencrypt_test", "letsencrypt-test", "staging"],
  },
  { name: "zerossl", url: "https://acme.zerossl.com/v2/DV90", aliases: ["zerossl.com"] },
  {
    name: "google",
    url: "https://dv.acme-v02.api.pki.goog/directory",
    aliases: ["gts", "googletrustservices"],
  },
  {
    name: "google-staging",
    url: "https://dv.acme-v02.test-api.pki.goog/directory",
    aliases: ["gts-staging", "googletest", "google-test"],
  },
  {
    name: "sslcom-ecc",
    url: "https://acme.ssl.com/sslcom-dv-ecc",
    aliases: ["sslcom", "ssl.com", "sslcom-ec", "sslcomecc"],
  },
  { name: "sslcom-rsa", url: "https://acme.ssl.com/sslcom-dv-rsa", aliases: ["sslcomrsa"] },
  { name: "actalis", url: "https://acme-api.actalis.com/acme/directory", aliases: ["actalis.com"] },
];

/** `--server` of the CA that is part of acmectl. */
export const embeddedCa = "local";

/** True for the embedded CA. It runs inside this process and forgets accounts, orders and certificates when it ends. */
export function isEmbedded(server: string): boolean {
  return server === embeddedCa;
}

/**
 * The directory URL for a preset's name or an https URL, whose `https://` may be missing; the embedded CA keeps its name.
 * A `usage` Problem for anything else.
 */
export function resolveServer(text: string): string {
  const given = text.trim();
  if (isEmbedded(given)) return embeddedCa;
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
  if (isEmbedded(url)) return embeddedCa;
  const preset = presetOf(url);
  if (preset === undefined) return undefined;
  if (preset.name.endsWith("-staging")) return preset.url;
  return presetNamed(`${preset.name}-staging`)?.url;
}

/** True for staging environments and the embedded CA, whose certificates browsers do not trust. */
export function isForTesting(server: string): boolean {
  return isEmbedded(server) || presetOf(server)?.name.endsWith("-staging") === true;
}

export function presetOf(url: string): Preset | undefined {
  // Some CAs take options in a query of the directory.
  return presets.find((preset) => preset.url === url.replace(/\?.*$/, ""));
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
