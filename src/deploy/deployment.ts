import type { CertificateRequest } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { StoredCertificate } from "../state/store.ts";
import { deployCertificate } from "./deploy.ts";
import { openHooks, type Hooks } from "./hooks.ts";
import { isDeployed, stepsOf } from "./steps.ts";
import { openOncePerRun, type DeployTools } from "./tools.ts";
import { nextWindow, openingOf } from "./windows.ts";

export interface Deployment {
  readonly hooks: Hooks & {
    /** A temporary certificate was stored: put it where servers read it. */
    temporary(request: Pick<CertificateRequest, "name">): Promise<void>;
  };
  /** Do what is still to be done for the certificate held; a `deploy` Problem when a step failed. */
  deploy(certificate: Pick<StoredCertificate, "name" | "request">): Promise<Problem | undefined>;
  /** The error that ends the run; if it was stopped, with the certificates that were issued until then. */
  stopped(error: unknown): Promise<unknown>;
}

export function openDeployment(from: Omit<DeployTools, "once">): Deployment {
  const tools: DeployTools = { ...from, once: openOncePerRun() };
  const hooks = openHooks(tools);
  const names = new Set<string>();
  return {
    hooks: {
      ...hooks,
      issued(request) {
        names.add(request.name);
        hooks.issued(request);
      },
      async temporary({ name }) {
        const certificate = await tools.store.certificates.read(name);
        const { deployTemporary } = await import("./temporary.ts");
        if (certificate !== undefined) await deployTemporary(certificate, tools);
      },
    },
    stopped: (error) => stoppedAfter([...names], error, tools),
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

async function stoppedAfter(
  issued: readonly string[],
  error: unknown,
  { signal, store }: Pick<DeployTools, "signal" | "store">,
): Promise<unknown> {
  const stop: unknown = signal.aborted ? signal.reason : error;
  if (!Problem.is(stop) || !stop.is("interrupted")) return stop;
  const again = "Run the same command again to continue.";
  if (issued.length === 0) return stop.with({ hint: `${again} No certificate was changed.` });
  const read = await Promise.all(issued.map((name) => store.certificates.read(name)));
  const left = read.flatMap((one) => (one === undefined || isDeployed(one) ? [] : [one.name]));
  const detail = `${stop.message} Issued before: ${issued.join(", ")}.`;
  const deploy = left.map((name) => `\`acmectl deploy ${name}\``).join(", ");
  const hint = `Run ${deploy} to repeat the deploy steps that are left; the next renew does so too.`;
  return stop.with({ detail, hint: left.length === 0 ? again : hint });
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
export function showDeployment(tools: Pick<DeployTools, "log" | "signal">): Deployment {
  const { log, signal } = tools;
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
      temporary: () => Promise.resolve(),
      failure: async ({ hooks }) => tell("failure", hooks.failure),
      post: () => Promise.resolve(),
    },
    stopped: async (error) => (signal.aborted ? signal.reason : error),
    async deploy({ request }) {
      for (const { title } of stepsOf(request))
        log.info(`dry run: the deploy step would be: ${title}`);
      return undefined;
    },
  };
}
