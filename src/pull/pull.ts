/** Certificates of a shared state: their files to this host, then its own deploy steps. */
import type { Context } from "../context.ts";
import { createLimit } from "../limit.ts";
import { Problem } from "../problem.ts";
import { exactNames } from "../state/selection.ts";
import type { BrokenCertificate, Store, StoredCertificate } from "../state/store.ts";
import { isStateUrl } from "../state/url.ts";
import { openDeployment } from "../deploy/deployment.ts";
import { leftHere } from "./left.ts";
import { pullOne, type Pulled } from "./one.ts";
import type { PullTools } from "./tools.ts";
import { type Typed, type Wanted, wantedHere } from "./wanted.ts";

export interface PullOptions extends Typed {
  /** Repeat failed deploy steps despite the back-off. */
  readonly force?: boolean | undefined;
}

/** Certificates to work on at once: as many as a state has connections. */
const concurrency = 4;

/**
 * Bring what this host wants from the shared state, and do what its deploy steps have not done yet. A failure is in the result
 * of its certificate, and does not stop the others. If nothing has changed, one list is read, and nothing written.
 */
export async function pullCertificates(
  options: PullOptions,
  context: Context,
): Promise<readonly Pulled[]> {
  if (!isStateUrl(await context.statePlace())) throw notShared(await context.statePlace());
  const wanted = await wantedHere(options, context);
  const shared = await context.store();
  const local = await context.storeAt(await context.stateFolder());
  const found = await Array.fromAsync(shared.certificates.list({ select: wanted.select }));
  const here = await certificatesIn(local);
  const tools: PullTools = {
    shared,
    local,
    wanted,
    context,
    force: options.force === true,
    steps: openSteps(local, wanted, found, context),
  };
  const limit = createLimit(concurrency);
  const pulled = await Promise.all(
    found.map((one) => limit(() => pullOne(one, here.get(one.name), tools), context.signal)),
  );
  const names = new Set(found.map(({ name }) => name));
  const isTyped = options.names.length > 0 || options.labels !== undefined;
  const left = isTyped ? [] : [...here.values()].filter(({ name }) => !names.has(name));
  const absent = wanted.select
    .flatMap((selection) => exactNames(selection.names ?? []) ?? [])
    .filter((name) => !names.has(name));
  return [
    ...pulled,
    ...(await leftHere(left, tools)),
    ...[...new Set(absent)].map((name) => absentOf(name, isTyped, shared)),
  ];
}

/** Those whose files are here, by name. One that cannot be read is written again. */
async function certificatesIn(local: Store): Promise<ReadonlyMap<string, StoredCertificate>> {
  const all = await Array.fromAsync(local.certificates.list());
  return new Map(all.flatMap((one) => ("problem" in one ? [] : [[one.name, one] as const])));
}

/** One for all certificates, so that a server they share is reloaded once. It sees the state of this host, with its own steps. */
function openSteps(
  local: Store,
  wanted: Wanted,
  found: readonly (StoredCertificate | BrokenCertificate)[],
  context: Context,
): PullTools["steps"] {
  const requests = new Map(
    found.flatMap((one) => ("problem" in one ? [] : [[one.name, wanted.requestOf(one)] as const])),
  );
  const read: Store["certificates"]["read"] = async (name) => {
    const [one, request] = [await local.certificates.read(name), requests.get(name)];
    return one && request && { ...one, request };
  };
  const store = { ...local, certificates: { ...local.certificates, read } };
  const deployment = openDeployment({ ...context, store, requests: [...requests.values()] });
  return { read, deploy: (name) => deployment.deploy(name) };
}

function absentOf(name: string, isTyped: boolean, { where }: Store): Pulled {
  const detail = `${where} has no certificate called ${name}.`;
  const hint = "Check the name: run `acmectl list` on a host that can see all certificates.";
  const problem = isTyped ? new Problem("usage", { detail, hint }) : undefined;
  return { name, outcome: isTyped ? "failed" : "missing", steps: [], note: detail, problem };
}

function notShared(place: string): Problem {
  return new Problem("usage", {
    detail: `The state ${place} is a folder on this host, so there is nothing to pull.`,
    hint: "Give the shared state with --state postgres://…, or with state: in the config.",
  });
}
