import { dateOf } from "../dates.ts";
import { isDeployed } from "../deploy/steps.ts";
import { assertAnnounced } from "../issue/dane/announced.ts";
import { asProblem, Problem } from "../problem.ts";
import type { HostStep } from "../state/hosts.ts";
import type {
  BrokenCertificate,
  CertificateFiles,
  HeldCertificate,
  Store,
  StoredCertificate,
} from "../state/store.ts";
import { remember, stepsOf } from "./record.ts";
import { type Deployed, deployHere } from "./steps.ts";
import type { PullTools } from "./tools.ts";

/** What came of one certificate on this host. */
export interface Pulled {
  readonly name: string;
  readonly outcome: "pulled" | "deployed" | "unchanged" | "waiting" | "missing" | "left" | "failed";
  readonly held?: HeldCertificate | undefined;
  readonly files?: CertificateFiles | undefined;
  readonly steps: readonly HostStep[];
  /** For people, where the outcome does not say it all. */
  readonly note?: string | undefined;
  readonly problem?: Problem | undefined;
}

/** Bring the held version here, do the deploy steps that are left, and remember both in the shared state. */
export async function pullOne(
  stored: StoredCertificate | BrokenCertificate,
  before: StoredCertificate | undefined,
  tools: PullTools,
): Promise<Pulled> {
  const { name } = stored;
  try {
    if ("problem" in stored) throw stored.problem;
    if (stored.held === undefined) return { name, outcome: "missing", steps: [], note: notIssued };
    return await bring(stored, before, tools);
  } catch (error) {
    tools.context.signal.throwIfAborted();
    return { name, outcome: "failed", steps: [], problem: asProblem(error) };
  }
}

const notIssued = "No certificate has been issued yet.";

async function bring(
  stored: StoredCertificate,
  before: StoredCertificate | undefined,
  tools: PullTools,
): Promise<Pulled> {
  const isNew = before === undefined || !isSame(stored.held, before.held);
  const { now, here } = isNew
    ? await written(stored, tools)
    : { now: stored, here: { ...before, request: tools.wanted.requestOf(stored) } };
  if (here === undefined || now.held === undefined)
    return { name: stored.name, outcome: "missing", steps: [], note: notIssued };
  const marked = await mark(here, tools.local);
  const deployed = await deployHere(marked, isNew, tools);
  const { after, problem } = deployed;
  await remember(now, after, isNew || isOther(here, after, tools), tools);
  return {
    name: stored.name,
    outcome: outcomeOf(isNew, here, deployed),
    held: now.held,
    files: await tools.local.certificates.files(stored.name, after.held),
    steps: stepsOf(after, tools),
    note: isDeployed(after) || problem !== undefined ? undefined : waitingFor(deployed.until),
    problem,
  };
}

/** As it is now: it may have been renewed while its files were written. */
async function written(stored: StoredCertificate, { shared, steps }: PullTools) {
  const { name } = stored;
  await assertAnnounced(stored, shared);
  await shared.certificates.files(name);
  const now = (await shared.certificates.read(name)) ?? stored;
  const here = await steps.read(name);
  if (here?.damage !== undefined)
    throw new Problem("machine", {
      detail: `The files of ${name} that were written here cannot be used: ${here.damage}.`,
      hint: "Look for damage with `acmectl state check` on a host that issues certificates.",
    });
  return { now, here };
}

function outcomeOf(
  isNew: boolean,
  here: StoredCertificate,
  { after, problem }: Deployed,
): Pulled["outcome"] {
  if (problem !== undefined) return "failed";
  if (isNew) return "pulled";
  if (!isDeployed(after)) return "waiting";
  return isDeployed(here) ? "unchanged" : "deployed";
}

function waitingFor(until: Date | undefined): string {
  return until === undefined
    ? "Its deploy steps wait for their window."
    : `A deploy step failed; it is repeated after ${dateOf(until)}, or now with --force.`;
}

function isSame(one: HeldCertificate | undefined, other: HeldCertificate | undefined): boolean {
  const [first, second] = [one?.meta, other?.meta];
  return (
    first?.fingerprint === second?.fingerprint &&
    first?.second?.fingerprint === second?.second?.fingerprint
  );
}

/** Files that a worker on this host wrote for its own deploy steps are not this host's before they are pulled. */
async function mark(here: StoredCertificate, { certificates }: Store): Promise<StoredCertificate> {
  if (here.status.pulled === true) return here;
  const status = await certificates.updateStatus(here.name, (one) => ({ ...one, pulled: true }));
  return { ...here, status };
}

function isOther(here: StoredCertificate, after: StoredCertificate, tools: PullTools): boolean {
  return JSON.stringify(stepsOf(here, tools)) !== JSON.stringify(stepsOf(after, tools));
}
