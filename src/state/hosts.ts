import { isRecord } from "../json.ts";
import type { DeployState } from "./certificate-status.ts";
import { fits } from "./folder/shape.ts";

/** What a host has of a certificate, as its last `acmectl pull` left it. */
export interface HostRecord {
  readonly host: string;
  /** The version in its files, and when it came there. */
  readonly version: number;
  readonly since: string;
  /** The last version for which all its deploy steps were done. */
  readonly serves?: { readonly version: number; readonly since: string } | undefined;
  /** Its own deploy steps, in their order. */
  readonly steps: readonly HostStep[];
}

/** As `status` shows the deploy steps of a certificate. */
export interface HostStep extends Pick<DeployState, "state" | "detail"> {
  readonly step: string;
  readonly at?: string | undefined;
}

function isHostRecord(value: unknown): value is HostRecord {
  const since = { version: "number", since: "date" } as const;
  const steps = [{ step: "string", state: "string", "at?": "date", "detail?": "string" }] as const;
  return fits(value, { host: "string", ...since, "serves?": since, steps });
}

/** Those that can be read, by host. */
export function hostsIn(found: unknown): readonly HostRecord[] | undefined {
  if (!isRecord(found) && !Array.isArray(found)) return undefined;
  const known = Object.values(found).filter(isHostRecord);
  if (known.length === 0) return undefined;
  return known.toSorted((a, b) => (a.host < b.host ? -1 : 1));
}
