import type { CertificateRequest, DeployStep, Pkcs12Setting } from "../certificate.ts";
import type { CertificateFiles, HeldCertificate } from "../state/store.ts";
import { runHook } from "./command.ts";
import { copyFiles, type Material } from "./steps/copy.ts";
import type { Variables } from "./environment.ts";
import { readPassword, writeKeyStore } from "./steps/pkcs12.ts";
import { probe } from "./steps/probe.ts";
import { reloadServer } from "./steps/reload.ts";
import type { Redact } from "./secrets.ts";
import type { DeployTools } from "./tools.ts";

export interface Subject {
  readonly request: CertificateRequest;
  readonly held: HeldCertificate;
  readonly files: CertificateFiles;
  readonly material: Material;
  /** Of all commands. */
  readonly inherited: Variables;
  /** Of commands that are about this certificate. */
  readonly variables: Variables;
  readonly redact: Redact;
  /** Rejects when another run has taken over the certificate's lock. Called right before a file is replaced. */
  readonly assertHeld?: (() => Promise<void>) | undefined;
}

/** Do one step. Rejects with a `deploy` Problem, or with the signal's reason. */
export async function perform(
  step: DeployStep,
  subject: Subject,
  tools: DeployTools,
): Promise<void> {
  const { request, held, material, inherited, redact } = subject;
  if ("run" in step)
    return runHook(step, `The command \`${[step.run].flat().join(" ")}\``, subject, tools);
  if ("copy" in step) return copyFiles(step.copy, material, subject.assertHeld);
  if ("pkcs12" in step) return keyStore(step.pkcs12, subject, tools);
  if ("probe" in step) return probe(step, { request, meta: held.meta }, tools);
  if ("acme.sh" in step) {
    const { runDeployScript } = await import("./steps/acme-sh.ts");
    return runDeployScript(step, subject, tools);
  }
  if ("ssh" in step) {
    const { deployBySsh } = await import("./steps/ssh.ts");
    return deployBySsh(step, subject, tools);
  }
  if ("kubernetes" in step) {
    const { writeKubernetesSecret } = await import("./steps/kubernetes.ts");
    return writeKubernetesSecret(step, subject, tools);
  }
  const { timeout: _, ...what } = step;
  if ("docker" in step) {
    const { actOnContainers } = await import("./steps/docker.ts");
    return tools.once.after(JSON.stringify(what), () => actOnContainers(step, tools));
  }
  return tools.once.after(JSON.stringify(what), () => reloadServer(step, inherited, redact, tools));
}

async function keyStore(
  setting: Pkcs12Setting,
  { request, files, material, assertHeld }: Subject,
  tools: DeployTools,
): Promise<void> {
  const password = await readPassword(setting.password, setting.path, tools);
  const hasChain = material.chain.trim() !== "";
  const content = { alias: setting.alias ?? request.name, files, hasChain };
  await writeKeyStore(setting, content, password, { ...tools, assertHeld });
}
