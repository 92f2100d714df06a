import { X509Certificate } from "node:crypto";
import { json, type Answer } from "../server/answer.ts";
import { AcmeProblem, demand, type Identifier } from "../acme-problem.ts";
import type { RenewalInfo } from "../options.ts";
import { demandPostAsGet, own, payloadOf, type SignedRequest } from "../signed/request.ts";
import { isBase64url } from "../signed/jws.ts";
import {
  authorizationStatus,
  orderStatus,
  publicKeyText,
  timestamp,
  type Account,
  type IssuedCertificate,
  type State,
} from "../state.ts";

/** Downloads a chain (RFC 8555 §7.4.2) and links to the other ones. */
export function certificate(state: State, request: SignedRequest): Answer {
  const issued = own(state.certificates, request, "certificate");
  demandPostAsGet(request);
  const index = Number(request.ids[1] ?? 0);
  const text = issued.chains[index];
  demand(text !== undefined, "There is no such chain.", "malformed", { status: 404 });
  const url = `${state.base}/certificate/${issued.id}`;
  const others = issued.chains.map((_, at) => at).filter((at) => at !== index);
  const link = others.map((at) => `<${at === 0 ? url : `${url}/${at}`}>;rel="alternate"`);
  const contentType = "application/pem-certificate-chain";
  return { status: 200, text, contentType, headers: { link } };
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
  demand(issued.revoked === undefined, "The certificate is revoked already.", "alreadyRevoked");
  issued.revoked = { at: state.settings.now(), reason };
  if (reason === 1) state.compromised.add(issued.publicKey);
  return { status: 200 };
}

function find(state: State, der: Buffer): IssuedCertificate {
  const found = [...state.certificates.values()].find((issued) => issued.der.equals(der));
  if (found !== undefined) return found;
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
  const { account, key } = request;
  if (account === undefined) {
    const isItsKey = publicKeyText(key.key) === issued.publicKey;
    return demand(isItsKey, "The key that signed is not the certificate's.", "unauthorized");
  }
  demand(
    account === issued.account || holdsAll(state, account, issued),
    "The account neither owns the certificate nor is authorized for all of its names.",
    "unauthorized",
  );
}

function holdsAll(state: State, account: Account, issued: IssuedCertificate): boolean {
  const held = new Set<string>();
  for (const each of state.authorizations.values()) {
    if (each.account !== account || authorizationStatus(state, each) !== "valid") continue;
    held.add((each.wildcard ? "*." : "") + each.identifier.value);
  }
  return issued.identifiers.every(({ value }) => held.has(value));
}

const day = 24 * 3_600_000;
const sixHours = 6 * 3600;

/** renewalInfo (RFC 9773 §4): the window set for the certificate, else one that follows from its lifetime. */
export function renewalInfo(state: State, id: string): Answer {
  const issued = certificateOf(state, id);
  const info = state.renewalInfo.get(id) ?? usualWindow(state, issued);
  const suggestedWindow = { start: timestamp(info.start), end: timestamp(info.end) };
  const body = { suggestedWindow, explanationURL: info.explanationUrl };
  return json(200, body, { "retry-after": String(info.retryAfter ?? sixHours) });
}

/** Checks `replaces` of a newOrder (§5) and returns the certificate that it names. */
export function checkReplaces(
  state: State,
  account: Account,
  identifiers: readonly Identifier[],
  replaces: unknown,
): IssuedCertificate | undefined {
  if (replaces === undefined) return undefined;
  demand(typeof replaces === "string", "replaces is not a string.");
  const issued = certificateOf(state, replaces);
  const isOwn = issued.account === account;
  demand(isOwn, "The certificate to be replaced belongs to another account.", "unauthorized");
  const held = new Set(issued.identifiers.map(({ value }) => value));
  const shared = identifiers.some(({ value }) => held.has(value));
  demand(shared, "The order shares no identifier with the certificate to be replaced.");
  const other = issued.replacedBy;
  const isFree = other === undefined || orderStatus(state, other) === "invalid";
  demand(isFree, "Another order replaces this certificate already.", "alreadyReplaced");
  return issued;
}

function certificateOf(state: State, id: string): IssuedCertificate {
  const [keyId, serial, ...rest] = id.split(".");
  const wellFormed = isBase64url(keyId) && isBase64url(serial) && rest.length === 0;
  demand(wellFormed, "The certificate identifier is not of the form of RFC 9773 §4.1.");
  const found = [...state.certificates.values()].find((issued) => issued.renewalId === id);
  const detail = "No certificate with this identifier was issued here.";
  demand(found !== undefined, detail, "malformed", { status: 404 });
  return found;
}

/** Around two thirds of the lifetime, or the half of one shorter than ten days; in the past for a revoked certificate. */
function usualWindow(state: State, issued: IssuedCertificate): RenewalInfo {
  if (issued.revoked !== undefined) {
    const now = state.settings.now().getTime();
    return { start: new Date(now - 2 * 3_600_000), end: new Date(now - 3_600_000) };
  }
  const end = issued.notAfter.getTime();
  const lifetime = end - issued.notBefore.getTime();
  const ideal = end - lifetime / (lifetime < 10 * day ? 2 : 3);
  const margin = lifetime / 50;
  return { start: new Date(ideal - margin), end: new Date(ideal + margin) };
}
