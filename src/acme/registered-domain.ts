/** Loads the public suffix list: import it only where an order is counted for a limit per domain. */
import { getDomain } from "tldts";

/**
 * What Let's Encrypt counts a certificate for: the domain below a public suffix, those of companies (github.io) included; a name that
 * is such a suffix itself; an IPv4 address; the /64 network of an IPv6 address.
 */
export function registeredDomain(name: string): string {
  if (name.includes(":")) return networkOf(name);
  if (/^[\d.]+$/.test(name)) return name;
  const host = name.replace(/^\*\./, "");
  const options = { allowPrivateDomains: true, extractHostname: false, validateHostname: false };
  return getDomain(host, options) ?? host;
}

/** The first four groups of an address, in which `::` may stand for several. */
function networkOf(address: string): string {
  const [start = "", end = ""] = address.split("::");
  const before = groupsIn(start);
  const after = groupsIn(end);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return `${[...before, ...zeros, ...after].slice(0, 4).join(":")}::/64`;
}

const groupsIn = (text: string) => (text === "" ? [] : text.split(":"));
