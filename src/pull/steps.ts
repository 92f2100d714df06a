/** The deploy steps of this host. Those that fail are repeated after 1 min, 10 min, 100 min, then daily. */
import type { CertificateRequest } from "../certificate.ts";
import { deployStatesOf, isDeployed } from "../deploy/steps.ts";
import { backOffAfter } from "../issue/back-off.ts";
import { asProblem, type Problem } from "../problem.ts";
import { isAhead } from "../state/pause.ts";
import type { StoredCertificate } from "../state/store.ts";
import type { PullTools } from "./tools.ts";

export interface Deployed {
  readonly after: StoredCertificate;
  readonly problem?: Problem | undefined;
  /** Nothing is tried before. */
  readonly until?: Date | undefined;
}

/** Those that are left to do. A new version is deployed whatever became of the last one. */
export async function deployHere(
  here: StoredCertificate,
  isNew: boolean,
  tools: PullTools,
): Promise<Deployed> {
  if (isDeployed(here)) return { after: here };
  const until = isNew || tools.force ? undefined : backOffOf(here, tools);
  if (until !== undefined) return { after: here, until };
  const { steps, local, context } = tools;
  const problem = await steps.deploy(here).catch((error: unknown) => {
    context.signal.throwIfAborted();
    return asProblem(error);
  });
  const now = context.clock.now().getTime();
  await local.certificates.updateStatus(here.name, ({ failures, ...status }) =>
    problem === undefined
      ? { ...status, failures: 0, retryAt: undefined }
      : {
          ...status,
          failures: failures + 1,
          retryAt: new Date(now + backOffAfter(failures)).toISOString(),
        },
  );
  const after = (await steps.read(here.name)) ?? here;
  if (problem?.is("deploy") !== true) return { after, problem };
  return { after, problem: problem.with({ hint: hintOf(problem, here.request) }) };
}

const day = 86_400_000;

/** Steps that were never tried do not wait for those that failed. */
function backOffOf(here: StoredCertificate, { context }: PullTools): Date | undefined {
  const { retryAt, failures } = here.status;
  const until = new Date(retryAt ?? 0);
  const wasTried = deployStatesOf(here).some(({ state }) => state === "failed");
  return failures > 0 && wasTried && isAhead(until, context.clock.now(), day) ? until : undefined;
}

/** The deploy steps of this host are repeated by pull, not by deploy. */
function hintOf({ hint = "" }: Problem, { name }: CertificateRequest): string {
  const others = hint.split("\n").filter((one) => !one.includes("acmectl deploy"));
  const again = `Run \`acmectl pull ${name} --force\` to repeat what failed now; later pulls do so after a back-off.`;
  return [...others, again].join("\n");
}
