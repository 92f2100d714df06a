import { isIP } from "node:net";
import { resolve } from "node:path";
import type { Place } from "../plugin/server.ts";
import { Problem } from "../problem.ts";

/** `9402` on all addresses, `127.0.0.1:9402`, `[::1]:9402`, or `unix:/path`; `flag` is for the message. */
export function placeOf(text: string, flag: string, mode: string, cwd: string): Place {
  const socket = /^unix:(.+)$/.exec(text)?.[1];
  if (socket !== undefined) return { socket: resolve(cwd, socket), mode };
  const [, six, four, digits] = /^(?:(?:\[(.+)\]|([^:[\]]+)):)?(\d{1,5})$/.exec(text) ?? [];
  const [host, port] = [six ?? four, Number(digits)];
  const isAddress = host === undefined || isIP(host) === (six === undefined ? 4 : 6);
  if (digits !== undefined && isAddress && port < 65_536)
    return host === undefined ? { port } : { host, port };
  throw new Problem("usage", {
    detail: `${flag}: ${JSON.stringify(text)} is not a place to listen on.`,
    hint: "Write ADDRESS:PORT, a port alone for all addresses, or unix:/path.",
  });
}
