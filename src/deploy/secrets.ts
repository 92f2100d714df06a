import type { CertificateRequest } from "../certificate.ts";
import { openMask } from "../mask.ts";
import { isSecretName } from "../options/secret.ts";

export type Redact = (text: string) => string;

/** Hides the given secrets and all private keys in PEM in what commands print, since it is kept in the state. */
export function redactor(secrets: readonly string[]): Redact {
  const mask = openMask();
  secrets.forEach(mask.add);
  return (text) => mask.text(text.replaceAll(keyBlock, "***"));
}

/** True for a variable that holds a secret, by its name, or since a private key is inside. */
export function isSecretVariable(name: string, value: string): boolean {
  return keyBegin.test(value) || isSecretName(name);
}

/** The variables that this request reads secrets from: its hooks must not see them. */
export function secretVariables(request: CertificateRequest): ReadonlySet<string> {
  const found = new Set<string>();
  const look = (value: unknown): void => {
    if (typeof value === "string" && value.startsWith("env:")) found.add(value.slice(4).trim());
    if (typeof value === "object" && value !== null) Object.values(value).forEach(look);
  };
  look(request.issuer);
  look(request.issuers);
  look(request.solvers);
  for (const step of request.hooks.deploy ?? []) {
    if ("pkcs12" in step) look(step.pkcs12);
    if ("kubernetes" in step) look(step.kubernetes.password);
    if ("acme.sh" in step) look(step.variables);
  }
  return found;
}

const keyBegin = /-----BEGIN [A-Z ]*PRIVATE KEY-----/u;
const keyBlock =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/gu;
