import { isIP } from "node:net";
import { Problem } from "acmectl/plugin";

/** Read `ns1.example.com`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. */
export function endpointOf(
  server: string,
  port: number | undefined,
): { host: string; port: number } {
  const { host, own } = parsed(server.trim());
  if (host === undefined) {
    throw new Problem("config", {
      detail: `The option server is "${server}", which is no server.`,
      hint: "Write a host name or an address, with :PORT if it is not 53; IPv6 with a port in brackets.",
    });
  }
  if (own !== undefined && port !== undefined && own !== port) {
    throw new Problem("config", {
      detail: `The option server names port ${own}, the option port ${port}.`,
      hint: "Keep one of them.",
    });
  }
  return { host, port: own ?? port ?? 53 };
}

function parsed(text: string): { host?: string; own?: number } {
  if (isIP(text) !== 0) return { host: text };
  const [, v6, name, digits] = /^(?:\[(.+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = v6 ?? name?.replace(/\.$/, "");
  if (host === undefined || host === "" || (v6 !== undefined && isIP(v6) !== 6)) return {};
  if (digits === undefined) return { host };
  const own = Number(digits);
  return own > 0 && own <= 65_535 ? { host, own } : {};
}
