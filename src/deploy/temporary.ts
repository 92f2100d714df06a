/** A temporary certificate where servers read it, so that they can start before the first issuance. */
import { X509Certificate } from "node:crypto";
import { access } from "node:fs/promises";
import { temporaryIssuer } from "../acme/certificate/temporary.ts";
import type { CopySetting, DeployStep } from "../certificate.ts";
import { Problem } from "../problem.ts";
import { readText } from "../state/folder/files.ts";
import type { StoredCertificate } from "../state/store.ts";
import { subjectOf } from "./deploy.ts";
import { perform, type Subject } from "./perform.ts";
import { stepsOf } from "./steps.ts";
import type { DeployTools } from "./tools.ts";
import { nextWindow } from "./windows.ts";

/**
 * Copies and key stores are written where nothing is, or an earlier temporary certificate; servers are reloaded if something
 * was written. Commands and probes wait for the real one. A failure only warns. The caller holds the certificate's lock.
 */
export async function deployTemporary(
  certificate: StoredCertificate,
  tools: DeployTools,
): Promise<void> {
  const { held, request } = certificate;
  if (held === undefined) return;
  const subject = await subjectOf(certificate, held, tools);
  const isOpen = nextWindow(request.windows ?? [], held.meta, tools.clock.now()) === undefined;
  let isWritten = false;
  for (const { step, title } of stepsOf(request)) {
    const place = await placeOf(step, subject);
    const text = `${request.name}: ${subject.redact(title)}`;
    if (place === "taken")
      tools.log.info(`${text}: something is there, so the temporary certificate is not written`);
    if (place === "free") isWritten = (await tried(step, text, subject, tools)) || isWritten;
    if (("reload" in step || "docker" in step) && isWritten && isOpen)
      await tried(step, text, subject, tools);
  }
}

type Place = "free" | "done" | "taken";

/** `done`: it has this very certificate. `taken`: what is there may be a real one, and a key beside another certificate is of no use. */
async function placeOf(step: DeployStep, { material }: Subject): Promise<Place | undefined> {
  if ("pkcs12" in step) return (await exists(step.pkcs12.path)) ? "taken" : "free";
  if (!("copy" in step)) return undefined;
  const { second } = material;
  const places = [
    await placeOfCopies(step.copy, "", material.certificate),
    ...(second ? [await placeOfCopies(step.copy, second.suffix, second.certificate)] : []),
  ];
  if (places.includes("taken")) return "taken";
  return places.includes("free") ? "free" : "done";
}

async function placeOfCopies(
  { key, ...others }: CopySetting,
  suffix: string,
  certificate: string,
): Promise<Place> {
  const read = (path: string) => readText(path + suffix);
  const paths = [others.fullchain, others.cert, others.chain, others.combined];
  const wanted = paths.filter((path) => path !== undefined);
  const texts = (await Promise.all(wanted.map(read))).filter((text) => text?.trim());
  const hasKey = key !== undefined && ((await read(key)) ?? "").trim() !== "";
  const isOurs = texts.every((text = "") => isTemporary(text)) && (!hasKey || texts.length > 0);
  if (!isOurs) return "taken";
  const isCurrent = texts.every((text) => text?.includes(certificate.trim()));
  const isWhole = texts.length === wanted.length && hasKey === (key !== undefined);
  return isCurrent && isWhole ? "done" : "free";
}

function isTemporary(pem: string): boolean {
  try {
    return new X509Certificate(pem).issuer === `CN=${temporaryIssuer}`;
  } catch {
    return false;
  }
}

async function tried(
  step: DeployStep,
  text: string,
  subject: Subject,
  tools: DeployTools,
): Promise<boolean> {
  try {
    tools.log.info(`${text}, with the temporary certificate`, { step: "deploy" });
    await perform(step, subject, tools);
    return true;
  } catch (error) {
    if (tools.signal.aborted || !Problem.is(error)) throw error;
    const why = subject.redact(error.message);
    tools.log.warn(`${text}, with the temporary certificate, failed: ${why}`, { step: "deploy" });
    return false;
  }
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
