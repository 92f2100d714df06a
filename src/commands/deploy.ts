import { deployCertificate } from "../deploy/deploy.ts";
import { openOncePerRun } from "../deploy/once.ts";
import { deployStatesOf, isDeployed } from "../deploy/steps.ts";
import type { DeployTools } from "../deploy/tools.ts";
import { Problem } from "../problem.ts";
import type { Block, Result } from "../result.ts";
import { problemDocument } from "../status/broken.ts";
import { storedCertificates } from "../status/certificates.ts";
import type { CertificateFiles, Store, StoredCertificate } from "../state/store.ts";
import type { Context } from "../context.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "deploy",
  summary: "Repeat the deploy steps that failed, or all of them, without a new order",
  description:
    "Copies, key stores, reloads, commands and probes of the certificates that are held. The CA is not asked for anything.",
  arguments: [{ usage: "[name...]", description: "which certificates; all of them when absent" }],
  examples: ["acmectl deploy", "acmectl deploy example.com --all"],
  options: {
    all: { type: "boolean", description: "Repeat the steps that were done already, too." },
    wait: {
      type: "boolean",
      default: true,
      description: "Wait when another run works on the same certificate.",
    },
  },
  async run({ all = false, wait }, context) {
    const store = await context.store();
    const certificates = await chosen(store, context);
    const tools: DeployTools = { ...context, store, once: openOncePerRun() };
    const options = { all, ...(wait ? {} : { wait: 0 }) };
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
  options: { all: boolean; wait?: number },
  tools: DeployTools,
): Promise<Deployed> {
  const files = await tools.store.certificates.files(before.name);
  if (before.held === undefined) return { files, before, after: before, outcome: "missing" };
  const problem = await deployCertificate(before, options, tools).catch((error: unknown) => {
    tools.signal.throwIfAborted();
    if (Problem.is(error)) return error;
    throw error;
  });
  const after = (await tools.store.certificates.read(before.name)) ?? before;
  if (problem !== undefined) return { files, before, after, outcome: "failed", problem };
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
  const problems = deployed.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  const [first] = problems;
  const outcome =
    first === undefined
      ? deployed.some((one) => one.outcome === "deployed")
        ? "deployed"
        : "unchanged"
      : "failed";
  return {
    exitCode: 0,
    document: { outcome, certificates: deployed.map(documentOf) },
    view: deployed.length === 0 ? [nothingHeld(where)] : deployed.flatMap(viewOf),
    ...(first === undefined ? {} : failure(problems, first, deployed)),
  };
}

function failure(problems: readonly Problem[], first: Problem, deployed: readonly Deployed[]) {
  if (problems.length === 1) return { exitCode: first.exitCode, problem: first };
  const problem = new Problem("deploy", {
    detail: `Deploy steps of ${problems.length} of ${deployed.length} certificates failed.`,
    hint: "Mend what they say, then run `acmectl deploy` again.",
    subproblems: deployed.flatMap(({ before, problem: one }) =>
      one === undefined ? [] : [{ ...one.document, title: before.name }],
    ),
  });
  return { exitCode: problem.exitCode, problem };
}

function documentOf({ files, after, outcome, problem }: Deployed): Record<string, unknown> {
  const { name, held, request } = after;
  return {
    name,
    outcome,
    identifiers: held?.meta.identifiers ?? request.identifiers,
    ...(held === undefined ? {} : { serial: held.meta.serial, paths: files }),
    deploy: deployStatesOf(after),
    problem: problem === undefined ? undefined : problemDocument(problem),
  };
}

function viewOf({ after, outcome }: Deployed): readonly Block[] {
  const states = deployStatesOf(after);
  const heading: Block = { kind: "heading", text: after.name };
  if (outcome === "missing") {
    const text = "No certificate is held, so there is nothing to deploy.";
    return [heading, { kind: "line", text, tone: "warn" }];
  }
  if (states.length === 0) {
    return [heading, { kind: "line", text: "It has no deploy steps.", tone: "dim" }];
  }
  const rows = states.map(({ step, state, at }) => [state, at ?? "-", step]);
  return [heading, { kind: "table", columns: ["STATE", "SINCE", "STEP"], rows }];
}

function nothingHeld(where: string): Block {
  return { kind: "line", text: `There are no certificates in ${where}.`, tone: "dim" };
}
