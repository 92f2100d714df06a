import { createHash } from "node:crypto";
import { AcmeProblem } from "../acme-problem.ts";
import { lookUp, proveByTxt, type Proof, type Validate } from "./dns.ts";

/** How this CA is called in the records of dns-persist-01. */
export const issuerDomainNames = ["ca.acmectl.test"];

/** dns-account-01 (draft 03): dns-01 at a name that begins with a label of the account. */
export const validateAccountDns: Validate = async (proof, settings) => {
  const digest = createHash("sha256").update(proof.accountUrl).digest();
  const value = BigInt(`0x${digest.subarray(0, 10).toString("hex")}`);
  const label = Array.from({ length: 16 }, (_, index) => {
    const five = Number((value >> BigInt(75 - 5 * index)) & 31n);
    return "abcdefghijklmnopqrstuvwxyz234567".charAt(five);
  }).join("");
  await proveByTxt(`_${label}._acme-challenge.${proof.identifier.value}`, proof, settings);
};

/** dns-persist-01 (draft 02): a record that names this CA and, by a hash, the account. Earlier keys of it are not remembered. */
export const validatePersist: Validate = async (proof, settings) => {
  const name = `_validation-persist.${proof.identifier.value}`;
  const values = await lookUp(name, settings);
  const now = settings.now().getTime() / 1000;
  if (values.some((text) => allows(text, proof, now))) return;
  const found = values.map((text) => JSON.stringify(text.slice(0, 300))).join(", ");
  throw new AcmeProblem(
    "unauthorized",
    values.length === 0
      ? `No TXT record was found at ${name}.`
      : `No TXT record at ${name} allows this account: ${found}.`,
    { identifier: proof.identifier },
  );
};

function allows(text: string, proof: Proof, now: number): boolean {
  const [issuer = "", ...pairs] = text.split(";").map((part) => part.trim());
  const parameters = new Map(
    pairs.map((pair) => [pair.replace(/=.*/, "").trim().toLowerCase(), pair.replace(/^.*?=/, "")]),
  );
  const until = Number(parameters.get("persistuntil") ?? Infinity);
  return (
    issuerDomainNames.includes(issuer) &&
    accountUris(proof).includes(parameters.get("accounturi") ?? "") &&
    (!proof.wildcard || parameters.get("policy")?.toLowerCase() === "wildcard") &&
    until > now
  );
}

/** §4.1: over the name, or over `*`. */
function accountUris({ identifier, thumbprint, accountUrl, hashPrefix }: Proof): string[] {
  return [identifier.value, "*"].map((name) => {
    const hash = createHash("sha256").update(Buffer.of(name.length));
    const digest = hash.update(name + thumbprint + accountUrl, "latin1").digest("base64url");
    return `${hashPrefix}sha-256/${digest}`;
  });
}
