import type { DeployStep } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { DeployState } from "../state/certificate-status.ts";
import type { HeldCertificate, Lock, StoredCertificate } from "../state/store.ts";
import type { Material } from "./steps/copy.ts";
import { certificateVariables, heldFiles, inheritedEnvironment } from "./environment.ts";
import { perform, type Subject } from "./perform.ts";
import { redactor } from "./secrets.ts";
import { stepsOf, type KnownStep } from "./steps.ts";
import type { DeployTools } from "./tools.ts";

export interface DeployOptions {
  /** Repeat what was done already. */
  readonly all: boolean;
  /** Milliseconds to wait for the lock; ten minutes when absent. */
  readonly wait?: number | undefined;
}

/**
 * Do every deploy step that was not done for the version held, and remember each. Answers a `deploy` Problem (exit 9) that
 * names the steps that failed; the certificate itself is good, and the next call repeats those steps alone.
 */
export async function deployCertificate(
  { name }: Pick<StoredCertificate, "name">,
  options: DeployOptions,
  tools: DeployTools,
): Promise<Problem | undefined> {
  // Most often there is nothing to do, and no lock is needed.
  const known = await tools.store.certificates.read(name);
  if (known === undefined || dueSteps(known, options).length === 0) return undefined;
  const { store, signal, log } = tools;
  const lock = await store.lock(`certificate:${name}`, {
    wait: options.wait ?? 600_000,
    signal,
    onWait: (holder) =>
      log.info(`waiting for ${holder}, which is working on ${name}`, { step: "lock" }),
  });
  try {
    return await deploy(name, options, lock, tools);
  } finally {
    await lock.release();
  }
}

type Failure = Pick<KnownStep, "title"> & { readonly problem: Problem };

async function deploy(
  name: string,
  options: DeployOptions,
  lock: Lock,
  tools: DeployTools,
): Promise<Problem | undefined> {
  // As it is now: another run may have renewed or deployed it meanwhile.
  const certificate = await tools.store.certificates.read(name);
  if (certificate?.held === undefined) return undefined;
  const due = dueSteps(certificate, options);
  if (due.length === 0) return undefined;
  const assertHeld = () => lock.assertHeld();
  const subject = { ...(await subjectOf(certificate, certificate.held, tools)), assertHeld };
  await remember(subject, due, tools);
  const failures: Failure[] = [];
  for (const known of due) {
    const problem = await tryStep(known, failures, subject, tools);
    if (problem !== undefined) failures.push({ title: known.title, problem });
  }
  return failures.length === 0 ? undefined : problemOf(name, failures, due.length);
}

/** Those that were not done for the version held; none while nothing is held. */
function dueSteps(
  { request, status, held }: StoredCertificate,
  { all }: DeployOptions,
): readonly KnownStep[] {
  if (held === undefined || held.meta.temporary === true) return [];
  return stepsOf(request).filter(({ key }) => {
    const state = status.deploy?.[key];
    return all || state?.state !== "done" || state.version !== held.version;
  });
}

/** What the steps of a certificate work with. */
export async function subjectOf(
  { name, request }: StoredCertificate,
  held: HeldCertificate,
  tools: DeployTools,
): Promise<Subject> {
  const { store, mask } = tools;
  const privateKey = await store.certificates.readPrivateKey(name);
  const pems = await store.certificates.readCertificate(name);
  const files = await heldFiles(name, held, store);
  if (pems === undefined || files === undefined)
    throw new TypeError(`${name} is held and has no certificate`);
  if (privateKey !== undefined) mask(privateKey);
  return {
    request,
    held,
    files: files.files,
    material: { ...pems, privateKey, second: await secondOf(name, held, tools) },
    inherited: inheritedEnvironment(tools, [request]),
    variables: certificateVariables("deploy", request, files),
    redact: redactor(privateKey === undefined ? [] : [privateKey]),
  };
}

/** `.rsa` or `.ecdsa` behind the name, as HAProxy finds the certificates of one site. */
async function secondOf(
  name: string,
  { meta: { second } }: HeldCertificate,
  { store, mask }: DeployTools,
): Promise<Material["second"]> {
  if (second === undefined) return undefined;
  const privateKey = await store.certificates.readPrivateKey(name, second.keyType);
  const pems = await store.certificates.readCertificate(name, second.keyType);
  if (privateKey === undefined || pems === undefined) return undefined;
  mask(privateKey);
  return { ...pems, privateKey, suffix: second.keyType.startsWith("rsa") ? ".rsa" : ".ecdsa" };
}

/** Before anything is done, so that the next run knows what is left if this one dies. Steps of old requests are dropped. */
async function remember(
  { request, held: { version } }: Subject,
  due: readonly KnownStep[],
  { store, clock }: DeployTools,
): Promise<void> {
  const pending = { version, state: "pending", at: clock.now().toISOString() } as const;
  const keys = new Set(due.map(({ key }) => key));
  await store.certificates.updateStatus(request.name, ({ deploy = {}, ...status }) => ({
    ...status,
    deploy: Object.fromEntries(
      stepsOf(request).flatMap(({ key }) => {
        const state = keys.has(key) ? pending : deploy[key];
        return state === undefined ? [] : [[key, state]];
      }),
    ),
  }));
}

async function tryStep(
  known: KnownStep,
  failures: readonly Failure[],
  subject: Subject,
  tools: DeployTools,
): Promise<Problem | undefined> {
  const { step } = known;
  const { log, signal } = tools;
  const { name } = subject.request;
  const title = subject.redact(known.title);
  try {
    refuseAfter(failures, step);
    log.info(`${name}: ${title}`, { step: "deploy" });
    await subject.assertHeld?.();
    await perform(step, subject, tools);
    await record(subject, known, { state: "done" }, tools);
    return undefined;
  } catch (error) {
    if (signal.aborted || !Problem.is(error) || !error.is("deploy")) throw error;
    // The reason is reported at the end of the run, with all other failures.
    log.warn(`${name}: failed: ${title}`, { step: "deploy" });
    const detail = subject.redact(error.message);
    await record(subject, known, { state: "failed", detail }, tools);
    return error;
  }
}

/** No server reloads when a file could not be written; and a probe after a failure would only repeat it. */
function refuseAfter(failures: readonly Failure[], step: DeployStep): void {
  // The files of another host come from the state.
  const isFile = "copy" in step || "pkcs12" in step || "ssh" in step;
  const before = failures.find(({ title }) => "probe" in step || /^(copy|pkcs12) /u.test(title));
  if (isFile || before === undefined) return;
  throw new Problem("deploy", {
    detail: `Skipped, since an earlier step failed: ${before.title}.`,
  });
}

async function record(
  { request: { name }, held: { version } }: Subject,
  { key }: KnownStep,
  outcome: Pick<DeployState, "state" | "detail">,
  { store, clock }: DeployTools,
): Promise<void> {
  const state = { version, ...outcome, at: clock.now().toISOString() };
  await store.certificates.updateStatus(name, ({ deploy, ...status }) => ({
    ...status,
    deploy: { ...deploy, [key]: state },
  }));
}

/** The title names the certificate, since this problem may be read alone. */
function problemOf(name: string, failures: readonly Failure[], tried: number): Problem {
  const [first] = failures;
  const again = `Run \`acmectl deploy ${name}\` to repeat what failed; the next renew does so too. No new certificate is needed.`;
  const hints = new Set([...failures.flatMap(({ problem }) => problem.hint ?? []), again]);
  const hint = [...hints].join("\n");
  if (failures.length === 1 && first !== undefined) {
    const { problem: cause } = first;
    const title = `A deploy step of ${name} failed`;
    return new Problem("deploy", { title, detail: cause.message, hint, cause });
  }
  const each = failures.map(({ title, problem }) => `${title}: ${problem.message}`);
  return new Problem("deploy", {
    title: `Deploying ${name} failed`,
    detail: [`${failures.length} of ${tried} deploy steps failed.`, ...each].join("\n"),
    hint,
  });
}
