/** The proxy of the environment: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in either case. */
import { BlockList, isIP } from "node:net";
import type { ProxyAgent } from "undici";
import { Problem } from "./problem.ts";

type Env = Readonly<Record<string, string | undefined>>;

/** `fetch` through the proxy that the environment names for the URL, if any (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY). */
export async function fetchByProxy(url: string, init: RequestInit): Promise<Response> {
  const proxy = proxyFor(process.env, url);
  if (proxy === undefined) return fetch(url, init);
  const { ProxyAgent } = await import("undici");
  const dispatcher = proxies.get(proxy) ?? new ProxyAgent(proxy);
  proxies.set(proxy, dispatcher);
  // Not spread: the types of the package and of the copy in Node.js differ in a method that is not used.
  return fetch(url, Object.assign({}, init, { dispatcher }));
}

const proxies = new Map<string, ProxyAgent>();

/** The URL of the proxy for a URL; undefined for a direct connection. */
export function proxyFor(env: Env, url: string): string | undefined {
  const { protocol, hostname, port } = new URL(url);
  const [own, usual] = protocol === "http:" ? ["http_proxy", "80"] : ["https_proxy", "443"];
  const names = [own, own.toUpperCase(), "all_proxy", "ALL_PROXY"];
  const name = names.find((name) => env[name]?.trim());
  if (name === undefined) return undefined;
  const proxy = proxyUrl(name, env[name]?.trim() ?? "");
  const exceptions = `${env["no_proxy"] ?? env["NO_PROXY"] ?? ""},localhost,127.0.0.0/8,::1`;
  const target = { host: bare(hostname), port: port || usual };
  const isException = exceptions.split(/[\s,]+/).some((entry) => matches(entry, target));
  return isException ? undefined : proxy;
}

function proxyUrl(name: string, text: string): string {
  const url = text.includes("://") ? text : `http://${text}`;
  const [, credentials] = /^\w+:\/\/(.*)@/s.exec(url) ?? [];
  const unsafe = credentials === undefined ? [] : [...new Set(credentials.match(mustBeEncoded))];
  if (unsafe.length > 0) {
    const how = unsafe.map((one) => `${one === " " ? "a blank" : one} as ${encoded(one)}`);
    throw new Problem("config", {
      detail: `The user name or password in ${name} contains characters that must be encoded.`,
      hint: `In ${name}, write ${how.join(", ")}.`,
    });
  }
  if (credentials !== undefined && !isDecodable(credentials)) {
    throw new Problem("config", {
      detail: `The user name or password in ${name} is not encoded as UTF-8.`,
      hint: `In ${name}, write each character by its bytes in UTF-8, for example é as %C3%A9.`,
    });
  }
  if (/^https?:\/\//i.test(url) && URL.canParse(url)) return url;
  throw new Problem("config", {
    detail: `${name} is not the URL of an HTTP proxy.`,
    hint: `Write it as http://proxy.example.com:3128 (or https://), with DOMAIN\\user as DOMAIN%5Cuser, or unset ${name}.`,
  });
}

/** What RFC 3986 §3.2.1 does not allow before the @; a further @ is unambiguous. */
const mustBeEncoded = /%(?![\da-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@%]/giu;

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function encoded(character: string): string {
  return character === "'" ? "%27" : encodeURIComponent(character);
}

/** `*`, a domain with its subdomains, an address, a network (`10.0.0.0/8`) or its beginning (`10.*`); some with a port. */
function matches(entry: string, { host, port }: { host: string; port: string }): boolean {
  if (entry === "" || entry === "*") return entry === "*";
  const [, address, prefix] = /^\[?([\da-f.:]+)\]?\/(\d+)$/i.exec(entry) ?? [];
  if (address !== undefined) return isInNetwork(host, address, Number(prefix));
  const [, name = entry, wanted = port] = /^(\[.*\]|[^:]*):(\d+)$/.exec(entry) ?? [];
  return wanted === port && matchesHost(bare(name).toLowerCase(), host);
}

function matchesHost(name: string, host: string): boolean {
  if (/^[\d.]+\.\*$/.test(name)) return isIP(host) === 4 && host.startsWith(name.slice(0, -1));
  const domain = name.replace(/^\*?\./, "");
  return host === domain || (isIP(host) === 0 && host.endsWith(`.${domain}`));
}

function isInNetwork(host: string, address: string, prefix: number): boolean {
  const family = isIP(address);
  if (family === 0 || family !== isIP(host) || prefix > (family === 4 ? 32 : 128)) return false;
  const network = new BlockList();
  const kind = family === 4 ? "ipv4" : "ipv6";
  network.addSubnet(address, prefix, kind);
  return network.check(host, kind);
}

function bare(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}
