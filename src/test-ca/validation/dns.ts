import { createHash } from "node:crypto";
import { Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { AcmeProblem, demand, type Identifier } from "../acme-problem.ts";
import { codeOf } from "../../errors.ts";
import type { Settings } from "../options.ts";

export interface Proof {
  readonly identifier: Identifier;
  readonly token: string;
  /** RFC 8555 §8.1. */
  readonly keyAuthorization: string;
  readonly wildcard: boolean;
  readonly accountUrl: string;
  /** Of the account's key. */
  readonly thumbprint: string;
  /** Of account URIs in records of dns-persist-01. */
  readonly hashPrefix: string;
}

/** Looks at the identifier once; throws the AcmeProblem for the challenge. */
export type Validate = (proof: Proof, settings: Settings, signal: AbortSignal) => Promise<void>;

/** Milliseconds that one look may take. */
export const patience = 5000;

/** dns-01 (RFC 8555 §8.4): one of the TXT values, its strings joined, is the digest; CNAMEs are followed. */
export const validateDns: Validate = (proof, settings) =>
  proveByTxt(`_acme-challenge.${proof.identifier.value}`, proof, settings);

export async function proveByTxt(name: string, proof: Proof, settings: Settings): Promise<void> {
  const values = await lookUp(name, settings);
  const wanted = createHash("sha256").update(proof.keyAuthorization).digest("base64url");
  if (values.includes(wanted)) return;
  throw unauthorized(proof, name, values);
}

const longestChain = 8;

export async function lookUp(name: string, settings: Settings): Promise<readonly string[]> {
  let at = name;
  try {
    for (let hop = 0; hop < longestChain; hop += 1) {
      const records = await noneIfEmpty(resolverFor(settings).resolveTxt(at));
      if (records.length > 0) return records.map((strings) => strings.join(""));
      const [target] = await noneIfEmpty(resolverFor(settings).resolveCname(at));
      if (target === undefined) return [];
      at = target;
    }
  } catch (error) {
    throw dnsProblem(error, `TXT of ${at}`);
  }
  throw new AcmeProblem("dns", `The CNAME chain from ${name} is longer than ${longestChain}.`);
}

function unauthorized(proof: Proof, name: string, values: readonly string[]): AcmeProblem {
  const [first] = values;
  if (first === undefined)
    return new AcmeProblem("unauthorized", `No TXT record was found at ${name}.`);
  const others = values.length > 1 ? ` (and ${values.length - 1} more)` : "";
  const detail = `Incorrect TXT record "${first.slice(0, 100)}"${others} found at ${name}.`;
  return new AcmeProblem("unauthorized", detail, { identifier: proof.identifier });
}

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
  demand(found.flat().length > 0, `No valid A or AAAA records were found for ${host}.`, "dns");
  return found.flat();
}

function resolverFor(settings: Settings): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (settings.resolver !== undefined) resolver.setServers([settings.resolver]);
  return resolver;
}

/** An empty answer or an unknown name is an empty list; other failures stay failures. */
async function noneIfEmpty<T>(query: Promise<T[]>): Promise<T[]> {
  try {
    return await query;
  } catch (error) {
    if (["ENODATA", "ENOTFOUND"].includes(codeOf(error))) return [];
    throw error;
  }
}

function dnsProblem(error: unknown, question: string): AcmeProblem {
  const code = codeOf(error) || String(error);
  return new AcmeProblem("dns", `DNS problem: ${code} looking up ${question}.`);
}

function loopback(host: string, family: number): string {
  if (family === 6) return "::1";
  return family === 4 && host.startsWith("127.") ? host : "127.0.0.1";
}
