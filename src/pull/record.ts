/** What this host has of a certificate, remembered in the shared state. */
import { isDeepStrictEqual } from "node:util";
import { deployStatesOf, isDeployed } from "../deploy/steps.ts";
import { Problem } from "../problem.ts";
import type { HostRecord, HostStep } from "../state/hosts.ts";
import type { StoredCertificate } from "../state/store.ts";
import type { PullTools } from "./tools.ts";

export function stepsOf(after: StoredCertificate, { context }: PullTools): readonly HostStep[] {
  return deployStatesOf(after).map(({ step, state, at, detail }) => ({
    step: context.redact(step),
    state,
    at,
    detail: detail === undefined ? undefined : context.redact(detail),
  }));
}

/** For `status` on every host. A host that must not write there works without. */
export async function remember(
  { name, held, hosts }: StoredCertificate,
  after: StoredCertificate,
  isChanged: boolean,
  tools: PullTools,
): Promise<void> {
  const { wanted, context, shared } = tools;
  if (held === undefined) return;
  const before = hosts?.find(({ host }) => host === wanted.host);
  const record = recordOf(held.version, before, after, tools);
  if (isDeepStrictEqual(record, before)) return;
  try {
    await shared.hosts.record(name, record);
  } catch (error) {
    if (!Problem.is(error)) throw error;
    const text = `${name}: what this host serves cannot be recorded in the state: ${error.message}`;
    if (isChanged) context.log.warn(text, { step: "pull" });
    else context.log.debug(text, { step: "pull" });
  }
}

function recordOf(
  version: number,
  before: HostRecord | undefined,
  after: StoredCertificate,
  tools: PullTools,
): HostRecord {
  const { wanted, context } = tools;
  const now = context.clock.now().toISOString();
  const steps = stepsOf(after, tools);
  const since = before?.version === version ? before.since : now;
  const last = steps
    .flatMap(({ at }) => at ?? [])
    .toSorted()
    .at(-1);
  const serves = isDeployed(after) ? { version, since: last ?? since } : before?.serves;
  // As JSON, so that it equals what is read back.
  return JSON.parse(JSON.stringify({ host: wanted.host, version, since, serves, steps }));
}
