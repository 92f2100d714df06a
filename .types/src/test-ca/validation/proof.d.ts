import { Resolver } from "node:dns/promises";
import { AcmeProblem, type Identifier } from "../acme-problem.ts";
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
export declare const patience = 5000;
/** Where a host is, IPv6 first; without a resolver everything is on loopback. */
export declare function addressesOf(host: string, settings: Settings): Promise<readonly string[]>;
/** Asks the configured resolver, or the system's. */
export declare function resolverFor(settings: Settings): Resolver;
/** An empty answer or an unknown name is an empty list; other failures stay failures. */
export declare function noneIfEmpty<T>(query: Promise<T[]>): Promise<T[]>;
/** A problem of type `dns` that names the question. */
export declare function dnsProblem(error: unknown, question: string): AcmeProblem;
