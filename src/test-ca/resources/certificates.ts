import { X509Certificate } from "node:crypto";
import type { Answer } from "../server/answer.ts";
import { AcmeProblem, demand } from "../acme-problem.ts";
import { demandPostAsGet, own, payloadOf, type SignedRequest } from "../signed/handler.ts";
import { isBase64url } from "../signed/jws.ts";
import { authorizationStatus, type Account, type IssuedCertificate, type State } from "../state.ts";

/** Downloads a chain (RFC 8555 §7.4.2) and links to the other ones. */
export function certificate(state: State, request: SignedRequest): Answer {
  const issued = own(state.certificates, request, "certificate");
  demandPostAsGet(request);
  const index = Number(request.ids[1] ?? 0);
  const text = issued.chains[index];
  if (text === undefined) {
    throw new AcmeProblem("malformed", "There is no such chain.", { status: 404 });
  }
  const url = `${state.base}/certificate/${issued.id}`;
  const others = issued.chains.map((_, at) => at).filter((at) => at !== index);
  return {
    status: 200,
    text,
    contentType: "application/pem-certificate-chain",
    headers: {
      link: others.map((at) => `<${at === 0 ? url : `${url}/${at}`}>;rel="alternate"`),
    },
  };
}

const reasons = [0, 1, 4, 5];

/** revokeCert (§7.6), by an account that may, or by the certificate's own key. */
export function revokeCert(state: State, request: SignedRequest): Answer {
  const { certificate: encoded, reason = 0 } = payloadOf(request);
  demand(isBase64url(encoded), "The certificate is not base64url without padding.");
  const issued = find(state, Buffer.from(encoded, "base64url"));
  demandRight(state, request, issued);
  if (typeof reason !== "number" || !reasons.includes(reason)) {
    const detail = `The reason ${JSON.stringify(reason)} is not accepted; ${reasons.join(", ")} are.`;
    throw new AcmeProblem("badRevocationReason", detail);
  }
  if (issued.revoked !== undefined) {
    throw new AcmeProblem("alreadyRevoked", "The certificate is revoked already.");
  }
  issued.revoked = { at: state.settings.now(), reason };
  if (reason === 1) state.compromised.add(issued.publicKey);
  return { status: 200 };
}

function find(state: State, der: Buffer): IssuedCertificate {
  for (const issued of state.certificates.values()) {
    if (issued.der.equals(der)) return issued;
  }
  demand(isCertificate(der), "The certificate cannot be parsed.");
  throw new AcmeProblem("malformed", "The certificate was not issued here.", { status: 404 });
}

function isCertificate(der: Buffer): boolean {
  try {
    return new X509Certificate(der).raw.length > 0;
  } catch {
    return false;
  }
}

function demandRight(state: State, request: SignedRequest, issued: IssuedCertificate): void {
  if (request.account === undefined) {
    const spki = request.key.key.export({ format: "der", type: "spki" }).toString("base64");
    if (spki === issued.publicKey) return;
    throw new AcmeProblem("unauthorized", "The key that signed is not the certificate's.");
  }
  if (request.account === issued.account) return;
  if (holdsAll(state, request.account, issued)) return;
  const detail = "The account neither owns the certificate nor is authorized for all of its names.";
  throw new AcmeProblem("unauthorized", detail);
}

function holdsAll(state: State, account: Account, issued: IssuedCertificate): boolean {
  const held = new Set<string>();
  for (const each of state.authorizations.values()) {
    if (each.account !== account || authorizationStatus(state, each) !== "valid") continue;
    held.add((each.wildcard ? "*." : "") + each.identifier.value);
  }
  return issued.identifiers.every(({ value }) => held.has(value));
}
