import { assertAnnounced } from "../issue/dane/announced.ts";
import { deployCertificate } from "../deploy/deploy.ts";
import { deployStatesOf, isDeployed } from "../deploy/steps.ts";
import { passFlags } from "../options/declared/pass.ts";
import { type DeployTools, openOncePerRun } from "../deploy/tools.ts";
import { asProblem, Problem, problemJson } from "../problem.ts";
import { type Block, type Result, heading, line, table } from "../result.ts";
import { daneNotes } from "../status/dane.ts";
import { storedCertificates } from "../status/certificates.ts";
import type { CertificateFiles, Store, StoredCertificate } from "../state/store.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "deploy",
  summary: "Repeat the deploy steps that failed, or all of them, without a new order",
  description:
    "Copies, key stores, reloads, commands and probes of the certificates that were issued. No CA is asked.",
  arguments: [
    {
      usage: "[name...]",
      description: "only these certificates; default: all",
      offers: "certificates",
    },
  ],
  examples: ["acmectl deploy", "acmectl deploy example.com --all"],
  options: {
    all: { type: "boolean", description: "Repeat the steps that are done as well." },
    wait: passFlags.wait,
  },
  notifies: () => true,
  async run({ all = false, wait }, context) {
    const store = await context.store();
    const certificates = await chosen(store, context);
    const tools: DeployTools = { ...context, store, once: openOncePerRun() };
    const options = { all, wait: wait ? undefined : 0 };
    const deployed = await Promise.all(
      certificates.map((certificate) => deployOne(certificate, options, tools)),
    );
    return present(deployed, store);
  },
});

interface Deployed {
  readonly files: CertificateFiles | undefined;
  readonly before: StoredCertificate;
  readonly after: StoredCertificate;
  readonly outcome: "deployed" | "unchanged" | "failed" | "missing";
  readonly problem?: Problem;
}

async function deployOne(
  before: StoredCertificate,
  options: { all: boolean; wait: number | undefined },
  tools: DeployTools,
): Promise<Deployed> {
  const files = await tools.store.certificates.files(before.name);
  if (before.held === undefined) return { files, before, after: before, outcome: "missing" };
  const deploy = async () => {
    await assertAnnounced(before, tools.store);
    return deployCertificate(before, options, tools);
  };
  const problem = await deploy().catch((error: unknown) => {
    tools.signal.throwIfAborted();
    return asProblem(error);
  });
  const after = (await tools.store.certificates.read(before.name)) ?? before;
  if (problem !== undefined) return { files, before, after, outcome: "failed", problem };
  const { clock, log } = tools;
  for (const text of daneNotes(after, clock.now())) log.warn(`${before.name}: ${text}`);
  const nothing = deployStatesOf(before).length === 0 || (!options.all && isDeployed(before));
  return { files, before, after, outcome: nothing ? "unchanged" : "deployed" };
}

/** A record that cannot be read does not stop the others; one that was named is reported. */
async function chosen(store: Store, { args, log }: Context): Promise<readonly StoredCertificate[]> {
  const { certificates, broken } = await storedCertificates(store, args);
  if (args.length > 0 && broken[0] !== undefined) throw broken[0].problem;
  for (const { name, problem } of broken) log.warn(`${name} is left out: ${problem.message}`);
  return certificates;
}

function present(deployed: readonly Deployed[], { where }: Store): Result {
  const isDone = deployed.some(({ outcome }) => outcome === "deployed");
  const problem = problemOf(deployed);
  return {
    document: {
      outcome: problem === undefined ? (isDone ? "deployed" : "unchanged") : "failed",
      certificates: deployed.map(documentOf),
    },
    view:
      deployed.length === 0
        ? [line(`There are no certificates in ${where}.`, "dim")]
        : deployed.flatMap(viewOf),
    problem,
  };
}

function problemOf(deployed: readonly Deployed[]): Problem | undefined {
  const failed = deployed.flatMap(({ before: { name }, problem }) =>
    problem ? [{ name, problem }] : [],
  );
  if (failed.length < 2) return failed[0]?.problem;
  return new Problem("deploy", {
    detail: `Deploy steps of ${failed.length} of ${deployed.length} certificates failed.`,
    hint: "Fix what they report, then run `acmectl deploy` again.",
    subproblems: failed.map(({ name, problem }) => ({ ...problem.document, title: name })),
  });
}

function documentOf({ files, after, outcome, problem }: Deployed): Record<string, unknown> {
  const { name, held, request } = after;
  return {
    name,
    outcome,
    identifiers: held?.meta.identifiers ?? request.identifiers,
    serial: held?.meta.serial,
    paths: held && files,
    deploy: deployStatesOf(after),
    problem: problem && problemJson(problem),
  };
}

function viewOf({ after, outcome }: Deployed): readonly Block[] {
  const states = deployStatesOf(after);
  const name = heading(after.name);
  if (outcome === "missing")
    return [name, line("No certificate was issued yet, so there is nothing to deploy.", "warn")];
  if (after.held?.meta.temporary === true)
    return [name, line("It is temporary; deploy steps wait until the CA has issued one.", "warn")];
  if (states.length === 0) return [name, line("It has no deploy steps.", "dim")];
  const rows = states.map(({ step, state, at }) => [state, at ?? "-", step]);
  return [name, table(["STATE", "SINCE", "STEP"], rows)];
}
