import type { CertificateRequest, DeployStep, Pkcs12Setting } from "../certificate.ts";
import { readSecret } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { CertificateFiles, HeldCertificate } from "../state/store.ts";
import { argvOf, commandTimeout, runCommand } from "./command.ts";
import { copyFiles, type Material } from "./steps/copy.ts";
import { passedVariables, type Variables } from "./environment.ts";
import { writeKeyStore } from "./steps/pkcs12.ts";
import { probe } from "./steps/probe.ts";
import { reloadServer } from "./steps/reload.ts";
import { redactor, type Redact } from "./secrets.ts";
import type { DeployTools } from "./tools.ts";

/** What the steps of one certificate are done with. */
export interface Subject {
  readonly request: CertificateRequest;
  readonly held: HeldCertificate;
  readonly files: CertificateFiles;
  readonly material: Material;
  /** Of commands that are about this certificate. */
  readonly env: Variables;
  /** Of commands that are about no certificate. */
  readonly plainEnv: Variables;
  readonly redact: Redact;
}

/** Do one step. Rejects with a `deploy` Problem, or with the signal's reason. */
export async function perform(
  step: DeployStep,
  subject: Subject,
  tools: DeployTools,
): Promise<void> {
  const { request, held, material, env, plainEnv, redact } = subject;
  if ("run" in step) {
    const { timeout = commandTimeout, cwd } = step;
    const title = `The command \`${[step.run].flat().join(" ")}\``;
    const passed = passedVariables(step, tools, plainEnv);
    const hide = redactor(Object.values(passed));
    return runCommand(
      { title, argv: argvOf(step), env: { ...passed, ...env }, timeout, cwd },
      (text) => hide(redact(text)),
      tools,
    );
  }
  if ("copy" in step) return copyFiles(step.copy, material);
  if ("pkcs12" in step) return keyStore(step.pkcs12, subject, tools);
  if ("probe" in step) return probe(step, { request, meta: held.meta }, tools);
  const { timeout: _, ...what } = step;
  return tools.once.after(JSON.stringify(what), () => reloadServer(step, plainEnv, redact, tools));
}

async function keyStore(
  setting: Pkcs12Setting,
  { request, files, material }: Subject,
  tools: DeployTools,
): Promise<void> {
  const { env, cwd, signal, mask } = tools;
  const sources = { env, folder: cwd, signal, mask };
  const password = await readSecret(setting.password, sources).catch((error: unknown) => {
    if (!Problem.is(error)) throw error;
    throw new Problem("deploy", {
      detail: `Cannot read the password of ${setting.path}. ${error.message}`,
      hint: error.hint,
    });
  });
  const hasChain = material.chain.trim() !== "";
  const content = { alias: setting.alias ?? request.name, files, hasChain };
  await writeKeyStore(setting, content, password, tools);
}
