import { type Identifier } from "../acme-problem.ts";
/** Reads the identifiers of a newOrder: lower-cased, without duplicates, sorted, all bad ones named at once (§6.7.1). */
export declare function readIdentifiers(value: unknown): readonly Identifier[];
