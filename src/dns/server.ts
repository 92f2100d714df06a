import { getServers } from "node:dns";
import { isIP, isIPv6 } from "node:net";
import { Problem } from "../problem.ts";

export type Server =
  | { readonly kind: "plain"; readonly address: string; readonly port: number }
  | { readonly kind: "https"; readonly url: string };

/** The configured resolvers, or the system's. An entry that cannot be read is a Problem that quotes it. */
export function resolversOf(entries: readonly string[]): readonly Server[] {
  const texts = entries.length > 0 ? entries : getServers();
  if (texts.length === 0)
    throw new Problem("machine", {
      detail: "No DNS resolver is configured on this machine.",
      hint: "Set nameserver in /etc/resolv.conf, or give --dns-resolvers.",
    });
  return texts.map(serverOf);
}

/** `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1`, `[2001:db8::1]:5353` or `https://dns.example/dns-query`. */
function serverOf(text: string): Server {
  if (text.startsWith("https://") && URL.canParse(text)) return { kind: "https", url: text };
  if (isIP(text) !== 0) return { kind: "plain", address: text, port: 53 };
  const [, v6, v4 = "", port = "53"] = /^(?:\[(.+)\]|([^:]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const address = v6 ?? v4;
  if (isIP(address) !== 0 && isPort(Number(port)))
    return { kind: "plain", address, port: Number(port) };
  throw new Problem("config", {
    detail: `"${text}" is not a DNS resolver.`,
    hint: "Write an IP address, ADDRESS:PORT, [IPV6]:PORT, or an https:// URL for DNS over HTTPS.",
  });
}

const isPort = (port: number) => port >= 1 && port <= 65_535;

/** `192.0.2.1:53`, `[2001:db8::1]:53`, or the URL. */
export function nameOf(server: Server): string {
  if (server.kind === "https") return server.url;
  const { address, port } = server;
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
