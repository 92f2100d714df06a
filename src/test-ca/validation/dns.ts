import { createHash } from "node:crypto";
import { AcmeProblem } from "../acme-problem.ts";
import { dnsProblem, noneIfEmpty, resolverFor, type Proof, type Validate } from "./proof.ts";
import type { Settings } from "../state.ts";

/** dns-01 (RFC 8555 §8.4): one of the TXT values, its strings joined, is the digest; CNAMEs are followed. */
export const validateDns: Validate = async (proof, settings) => {
  const name = `_acme-challenge.${proof.identifier.value}`;
  const values = await lookUp(name, settings);
  const wanted = createHash("sha256").update(proof.keyAuthorization).digest("base64url");
  if (values.includes(wanted)) return;
  throw unauthorized(proof, name, values);
};

const longestChain = 8;

async function lookUp(name: string, settings: Settings): Promise<readonly string[]> {
  let at = name;
  try {
    for (let hop = 0; hop < longestChain; hop += 1) {
      const records = await noneIfEmpty(resolverFor(settings).resolveTxt(at));
      if (records.length > 0) return records.map((strings) => strings.join(""));
      const [target] = await noneIfEmpty(resolverFor(settings).resolveCname(at));
      if (target === undefined) return [];
      at = target;
    }
  } catch (error) {
    throw dnsProblem(error, `TXT of ${at}`);
  }
  throw new AcmeProblem("dns", `The CNAME chain from ${name} is longer than ${longestChain}.`);
}

function unauthorized(proof: Proof, name: string, values: readonly string[]): AcmeProblem {
  const [first] = values;
  if (first === undefined) {
    return new AcmeProblem("unauthorized", `No TXT record was found at ${name}.`);
  }
  const others = values.length > 1 ? ` (and ${values.length - 1} more)` : "";
  const detail = `Incorrect TXT record "${first.slice(0, 100)}"${others} found at ${name}.`;
  return new AcmeProblem("unauthorized", detail, { identifier: proof.identifier });
}
