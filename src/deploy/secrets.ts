import type { CertificateRequest } from "../certificate.ts";
import { openMask } from "../mask.ts";

export type Redact = (text: string) => string;

/** Hides the given secrets and all private keys in PEM in what commands print, since it is kept in the state. */
export function redactor(secrets: readonly string[]): Redact {
  const mask = openMask();
  secrets.forEach(mask.add);
  return (text) => mask.text(text.replaceAll(keyBlock, "***"));
}

/** True for a variable that holds a secret, by its name, or since a private key is inside. */
export function isSecretVariable(name: string, value: string): boolean {
  return keyBegin.test(value) || (secretName.test(name) && !harmlessName.test(name));
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
  look((request.hooks.deploy ?? []).map((step) => ("pkcs12" in step ? step.pkcs12 : {})));
  return found;
}

const keyBegin = /-----BEGIN [A-Z ]*PRIVATE KEY-----/u;
const secretName =
  /SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|BEARER|HMAC|JWT|(?:API|ACCESS|ACCOUNT|AUTH|PRIVATE)_?KEY|(?:^|_)(?:KEY|PASS|PWD|PAT)(?:_|$)|_AUTH$|PASS$|SERVICE_ACCOUNT$|^IDENTITY_HEADER$/iu;
/** Folders, files and sockets are not secrets, though they may contain some. */
const harmlessName = /^(?:OLD)?PWD$|ASKPASS$|_(?:FILE|PATH|DIR|DIRECTORY|SOCK)$/iu;
const keyBlock =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/gu;
