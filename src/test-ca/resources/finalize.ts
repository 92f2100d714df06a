import * as x509 from "@peculiar/x509";
import { createPublicKey, type KeyObject } from "node:crypto";
import type { Answer } from "../server/answer.ts";
import { AcmeProblem, canonicalAddress, demand, type Identifier } from "../acme-problem.ts";
import { chainsOf, issueLeaf, renewalIdOf } from "../authority/authority.ts";
import { own, payloadOf, type SignedRequest } from "../signed/request.ts";
import { isBase64url, refuseWeak } from "../signed/jws.ts";
import { orderStatus, newId, nowOrLater, publicKeyText, type Order, type State } from "../state.ts";
import { orderAnswer } from "./orders.ts";

/** finalize (RFC 8555 §7.4): checks the CSR against the order and issues. */
export async function finalize(state: State, request: SignedRequest): Promise<Answer> {
  const order = own(state.orders, request, "order");
  const { csr } = payloadOf(request);
  demandReady(state, order);
  demand(isBase64url(csr), "The csr is not base64url without padding.");
  const key = await checkRequest(state, order, Buffer.from(csr, "base64url"));
  demandReady(state, order);
  order.processing = true;
  await nowOrLater(state, () => issue(state, order, key));
  return orderAnswer(state, order, 200);
}

function demandReady(state: State, order: Order): void {
  const status = orderStatus(state, order);
  demand(status === "ready", `The order is ${status}, not ready.`, "orderNotReady");
}

async function checkRequest(state: State, order: Order, der: Buffer): Promise<KeyObject> {
  const { request, key } = parseRequest(der);
  const isSigned = await request.verify().catch(() => false);
  demand(isSigned, "The signature of the CSR does not verify.", "badCSR");
  const { hash } = request.signatureAlgorithm;
  demand(hash?.name !== "SHA-1", "The CSR is signed by SHA-1.", "badCSR");
  refuseKey(state, key);
  const asked = new Set(namesOf(request));
  const ordered = new Set(order.identifiers.map(labelOf));
  if (asked.size === ordered.size && [...asked].every((name) => ordered.has(name))) return key;
  const [askedText, orderedText] = [asked, ordered].map((names) => [...names].join(", "));
  throw badCsr(`The CSR asks for ${askedText}; the order is for ${orderedText}.`);
}

function parseRequest(der: Buffer): { request: x509.Pkcs10CertificateRequest; key: KeyObject } {
  try {
    const request = new x509.Pkcs10CertificateRequest(new Uint8Array(der));
    const spki = Buffer.from(request.publicKey.rawData);
    return { request, key: createPublicKey({ key: spki, format: "der", type: "spki" }) };
  } catch {
    throw badCsr("The CSR cannot be parsed.");
  }
}

function refuseKey(state: State, key: KeyObject): void {
  try {
    refuseWeak(key);
  } catch (error) {
    throw error instanceof AcmeProblem ? badCsr(error.json.detail) : error;
  }
  const isAccountKey = [...state.accounts.values()].some((account) => account.key.equals(key));
  demand(!isAccountKey, "The key of the CSR is an account key.", "badCSR");
  const isCompromised = state.compromised.has(publicKeyText(key));
  demand(!isCompromised, "The key of the CSR was revoked as compromised.", "badCSR");
}

/** All names of the CSR, the subject's common name among them. */
function namesOf(request: x509.Pkcs10CertificateRequest): string[] {
  const extension = request.getExtension("2.5.29.17");
  const names = extension && new x509.SubjectAlternativeNameExtension(extension.rawData).names;
  const identifiers = (names?.items ?? []).map(({ type, value }) => {
    if (type === "dns" || type === "ip") return labelOf({ type, value: value.toLowerCase() });
    throw badCsr(`The CSR has a name of type ${type}.`);
  });
  const common = request.subjectName.getField("CN").map((name) => {
    const value = name.toLowerCase();
    const address = labelOf({ type: "ip", value });
    return identifiers.includes(address) ? address : labelOf({ type: "dns", value });
  });
  return [...identifiers, ...common];
}

function labelOf({ type, value }: Identifier): string {
  return `${type}:${type === "ip" ? canonicalAddress(value) : value}`;
}

/** Backdated by an hour for clocks that are behind; the last second counts, hence one less. */
async function issue(state: State, order: Order, key: KeyObject): Promise<void> {
  const notBefore = new Date(order.notBefore ?? state.settings.now().getTime() - 3_600_000);
  notBefore.setMilliseconds(0);
  const validity = state.settings.profiles[order.profile]?.validity ?? 0;
  const notAfter = order.notAfter ?? new Date(notBefore.getTime() + validity - 1000);
  const { account, identifiers } = order;
  try {
    const leaf = await issueLeaf(state.authority, { identifiers, key, notBefore, notAfter });
    order.certificate = {
      id: newId(),
      renewalId: renewalIdOf(leaf),
      account,
      identifiers,
      der: Buffer.from(leaf.rawData),
      publicKey: publicKeyText(key),
      notBefore,
      notAfter,
      chains: chainsOf(state.authority, leaf),
    };
    state.certificates.set(order.certificate.id, order.certificate);
  } catch (error) {
    order.error = new AcmeProblem("serverInternal", `Signing failed: ${String(error)}`).json;
  }
  order.processing = false;
}

function badCsr(detail: string): AcmeProblem {
  return new AcmeProblem("badCSR", detail);
}
