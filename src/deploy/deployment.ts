import type { CertificateRequest } from "../certificate.ts";
import type { Problem } from "../problem.ts";
import type { StoredCertificate } from "../state/store.ts";
import { deployCertificate } from "./deploy.ts";
import { openHooks, type Hooks } from "./hooks.ts";
import { isDeployed, stepsOf } from "./steps.ts";
import { openOncePerRun, type DeployTools } from "./tools.ts";
import { nextWindow, openingOf } from "./windows.ts";

/** What a run does around and after issuing. */
export interface Deployment {
  readonly hooks: Hooks;
  /** Do what is still to be done for the certificate held; a `deploy` Problem when a step failed. */
  deploy(certificate: Pick<StoredCertificate, "name" | "request">): Promise<Problem | undefined>;
}

export function openDeployment(from: Omit<DeployTools, "once">): Deployment {
  const tools: DeployTools = { ...from, once: openOncePerRun() };
  return {
    hooks: openHooks(tools),
    async deploy(certificate) {
      const opening = await closedUntil(certificate.name, tools);
      if (opening === undefined) return deployCertificate(certificate, { all: false }, tools);
      tools.log.info(`${certificate.name} will be deployed when its window opens, ${opening}`, {
        step: "deploy",
      });
      return undefined;
    },
  };
}

/** When the next window opens, for people, while none is open and something is to be deployed. */
async function closedUntil(
  name: string,
  { store, clock }: DeployTools,
): Promise<string | undefined> {
  const certificate = await store.certificates.read(name);
  if (certificate?.held === undefined || isDeployed(certificate)) return undefined;
  const { windows = [] } = certificate.request;
  const next = nextWindow(windows, certificate.held.meta, clock.now());
  return next && openingOf(next, windows);
}

/** For a dry run: reports each step, and does none. */
export function showDeployment({ log }: Pick<DeployTools, "log">): Deployment {
  const tell = (event: string, hooks: CertificateRequest["hooks"]["pre"] = []) => {
    for (const { run } of hooks)
      log.info(`dry run: the ${event} hook would be: ${[run].flat().join(" ")}`);
  };
  return {
    hooks: {
      resume: () => Promise.resolve(),
      async pre({ hooks }) {
        tell("pre", hooks.pre);
        tell("post", hooks.post);
      },
      issued: () => undefined,
      failure: async ({ hooks }) => tell("failure", hooks.failure),
      post: () => Promise.resolve(),
    },
    async deploy({ request }) {
      for (const { title } of stepsOf(request))
        log.info(`dry run: the deploy step would be: ${title}`);
      return undefined;
    },
  };
}
