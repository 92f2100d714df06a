import * as x509 from "@peculiar/x509";
import { createPublicKey, type KeyObject } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Answer } from "../server/answer.ts";
import { AcmeProblem, demand, type Identifier } from "../acme-problem.ts";
import { chainsOf, issueLeaf, renewalIdOf } from "../authority/authority.ts";
import { own, payloadOf, type SignedRequest } from "../signed/handler.ts";
import { isBase64url } from "../signed/jws.ts";
import { refuseWeak } from "../signed/jwk.ts";
import { orderStatus, newId, type Order, type State } from "../state.ts";
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
  const { asynchronous } = state.settings;
  if (asynchronous === undefined) await issue(state, order, key);
  else void issueLater(state, order, key, asynchronous.delay);
  return orderAnswer(state, order, 200);
}

function demandReady(state: State, order: Order): void {
  const status = orderStatus(state, order);
  if (status === "ready") return;
  throw new AcmeProblem("orderNotReady", `The order is ${status}, not ready.`);
}

async function checkRequest(state: State, order: Order, der: Buffer): Promise<KeyObject> {
  const { request, key } = parseRequest(der);
  if (!(await request.verify().catch(() => false))) {
    throw badCsr("The signature of the CSR does not verify.");
  }
  if (request.signatureAlgorithm.hash?.name === "SHA-1")
    throw badCsr("The CSR is signed by SHA-1.");
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
  for (const account of state.accounts.values()) {
    if (account.key.equals(key)) throw badCsr("The key of the CSR is an account key.");
  }
  if (state.compromised.has(publicKeyText(key))) {
    throw badCsr("The key of the CSR was revoked as compromised.");
  }
}

/** All names of the CSR, the subject's common name among them. */
function namesOf(request: x509.Pkcs10CertificateRequest): string[] {
  const extension = request.getExtension("2.5.29.17");
  const names =
    extension === null
      ? []
      : new x509.SubjectAlternativeNameExtension(extension.rawData).names.items;
  const identifiers = names.map(({ type, value }) => {
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
  const canonical =
    type === "ip" && value.includes(":")
      ? new URL(`http://[${value}]`).hostname.slice(1, -1)
      : value;
  return `${type}:${canonical}`;
}

async function issueLater(
  state: State,
  order: Order,
  key: KeyObject,
  delay: number,
): Promise<void> {
  try {
    await sleep(delay, undefined, { signal: state.signal, ref: false });
  } catch {
    return;
  }
  await issue(state, order, key);
}

/** Backdated by an hour for clocks that are behind; the last second counts, hence one less. */
async function issue(state: State, order: Order, key: KeyObject): Promise<void> {
  const notBefore = new Date(state.settings.now().getTime() - 3_600_000);
  notBefore.setMilliseconds(0);
  const validity = state.settings.profiles[order.profile]?.validity ?? 0;
  const notAfter = new Date(notBefore.getTime() + validity - 1000);
  const spki = key.export({ format: "der", type: "spki" });
  try {
    const leaf = await issueLeaf(state.authority, {
      identifiers: order.identifiers,
      publicKey: new Uint8Array(spki),
      keyType: key.asymmetricKeyType ?? "",
      notBefore,
      notAfter,
    });
    order.certificate = {
      id: newId(),
      renewalId: renewalIdOf(leaf),
      account: order.account,
      identifiers: order.identifiers,
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

function publicKeyText(key: KeyObject): string {
  return key.export({ format: "der", type: "spki" }).toString("base64");
}

function badCsr(detail: string): AcmeProblem {
  return new AcmeProblem("badCSR", detail);
}
