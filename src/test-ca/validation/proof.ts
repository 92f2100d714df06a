import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { AcmeProblem, type Identifier } from "../acme-problem.ts";
import { isRecord } from "../../json.ts";
import type { Settings } from "../state.ts";

/** What a validation looks for. */
export interface Proof {
  readonly identifier: Identifier;
  readonly token: string;
  /** RFC 8555 §8.1. */
  readonly keyAuthorization: string;
}

/** Looks at the identifier once; throws the AcmeProblem for the challenge. */
export type Validate = (proof: Proof, settings: Settings, signal: AbortSignal) => Promise<void>;

/** Milliseconds that one look may take. */
export const patience = 5000;

/** Where a host is, IPv6 first; without a resolver everything is on loopback. */
export async function addressesOf(host: string, settings: Settings): Promise<readonly string[]> {
  const family = isIP(host);
  if (settings.resolver === undefined) return [loopback(host, family)];
  if (family !== 0) return [host];
  const resolver = resolverFor(settings);
  const found = await Promise.all([
    noneIfEmpty(resolver.resolve6(host)),
    noneIfEmpty(resolver.resolve4(host)),
  ]).catch((error: unknown) => {
    throw dnsProblem(error, `A and AAAA of ${host}`);
  });
  const addresses = found.flat();
  if (addresses.length > 0) return addresses;
  throw new AcmeProblem("dns", `No valid A or AAAA records were found for ${host}.`);
}

/** Asks the configured resolver, or the system's. */
export function resolverFor(settings: Settings): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (settings.resolver !== undefined) resolver.setServers([settings.resolver]);
  return resolver;
}

/** An empty answer or an unknown name is an empty list; other failures stay failures. */
export async function noneIfEmpty<T>(query: Promise<T[]>): Promise<T[]> {
  try {
    return await query;
  } catch (error) {
    const code = isRecord(error) ? error["code"] : undefined;
    if (code === "ENODATA" || code === "ENOTFOUND") return [];
    throw error;
  }
}

/** A problem of type `dns` that names the question. */
export function dnsProblem(error: unknown, question: string): AcmeProblem {
  const code = isRecord(error) ? String(error["code"]) : String(error);
  return new AcmeProblem("dns", `DNS problem: ${code} looking up ${question}.`);
}

function loopback(host: string, family: number): string {
  if (family === 6) return "::1";
  return family === 4 && host.startsWith("127.") ? host : "127.0.0.1";
}
