import type { DownloadedChain, Order } from "../acme/acme.ts";
import { acceptCertificate, type AcceptedCertificate } from "../acme/certificate/accept.ts";
import { chooseChain } from "../acme/certificate/chain.ts";
import { createCsr } from "../acme/certificate/new-csr.ts";
import { createPrivateKey, publicHalf } from "../acme/keys.ts";
import { signerOf } from "../acme/signer.ts";
import type { CertificateRequest, VersionMeta } from "../certificate.ts";
import { openGroup, timeOf } from "../many-names.ts";
import { Problem } from "../problem.ts";
import type { NewVersion, OrderProgress, StoredCertificate } from "../state/store.ts";
import { requestHash, revokedFor } from "../request/drift.ts";
import { readKeyFile } from "../request/given-file.ts";
import { termsOf } from "../request/terms.ts";
import type { OpenAccount } from "../account/open.ts";
import type { OrderJournal } from "./journal.ts";
import type { IssueTools } from "./tools.ts";

/** What finalization needs of our side: made while the network works, on disk before the CA sees it. */
export interface KeyMaterial {
  /** PKCS#8 PEM; absent when the request came with a CSR. */
  readonly privateKey?: string | undefined;
  /** DER, base64. */
  readonly csr: string;
}

/** The key and CSR of this run: those of the order that is resumed, the user's CSR, the key held (`--reuse-key`), the one announced ahead, or new ones. */
export async function prepareKey(
  request: CertificateRequest,
  resumed: OrderProgress | undefined,
  before: StoredCertificate | undefined,
  { store, record }: Pick<IssueTools, "store" | "record">,
): Promise<KeyMaterial> {
  if (request.csr !== undefined) return { csr: request.csr };
  if (resumed?.privateKey !== undefined && resumed.csr !== undefined) {
    return { privateKey: resumed.privateKey, csr: resumed.csr };
  }
  const ahead =
    request.dane && (await store.certificates.readNextKey(request.name, request.keyType));
  const known = (await knownKey(request, before, store)) ?? ahead;
  if (known === undefined) record.log("key").debug(`making a key (${request.keyType})`);
  const privateKey = known ?? (await createPrivateKey(request.keyType));
  const csr = await createCsr(signerOf(privateKey), request.identifiers, request);
  return { privateKey, csr: Buffer.from(csr).toString("base64") };
}

/** The user's own, or the one held. */
async function knownKey(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  store: IssueTools["store"],
): Promise<string | undefined> {
  if (request.privateKey !== undefined) return ownKey(request, before, store);
  const isKept = request.reuseKey && revokedFor(before) !== "keyCompromise";
  return isKept ? heldKey(request, before, store) : undefined;
}

/** The key held, if it is of the type that is wanted. */
async function heldKey(
  { name, keyType }: CertificateRequest,
  before: StoredCertificate | undefined,
  { certificates }: IssueTools["store"],
): Promise<string | undefined> {
  const isSecond = before?.held?.meta.second?.keyType === keyType;
  const pem = await certificates.readPrivateKey(name, isSecond ? keyType : undefined);
  return pem !== undefined && signerOf(pem).type === keyType ? pem : undefined;
}

/** The key of the user's file as it is now. One that was compromised is not certified again. */
async function ownKey(
  { name, privateKey = "", keyType }: CertificateRequest,
  before: StoredCertificate | undefined,
  store: IssueTools["store"],
): Promise<string> {
  const { pem, type } = await readKeyFile(privateKey);
  const hint = "Make a new key in its place.";
  if (type !== keyType)
    throw new Problem("config", {
      detail: `The key in ${privateKey} is ${type} now, and ${keyType} was asked for.`,
      hint: "Give the certificate the key type of its key.",
    });
  const isCompromised = revokedFor(before) === "keyCompromise";
  if (isCompromised && pem === (await store.certificates.readPrivateKey(name)))
    throw new Problem("config", { detail: `The key in ${privateKey} was compromised.`, hint });
  return pem;
}

/** Milliseconds until the CA has to have issued. */
const timeout = 10 * 60_000;
/** The same for an order that an earlier run has waited for already: the back-off between runs bounds the rest. */
const again = 60_000;

export interface Issued {
  readonly order: Order;
  readonly certificate: AcceptedCertificate;
  /** As it was downloaded. */
  readonly chain: DownloadedChain;
  /** Further chains of the same certificate. */
  readonly alternates: readonly AcceptedCertificate[];
}

/** Finalize the order if needed, wait, download, and accept only what was asked for (RFC 8555 §7.4). */
export async function finalizeOrder(
  order: Order,
  key: KeyMaterial,
  request: CertificateRequest,
  account: OpenAccount,
  journal: OrderJournal,
  tools: IssueTools,
): Promise<Issued> {
  const { session } = account;
  await journal.finalizing(key);
  const valid = await waitUntilValid(order, key, account, tools);
  tools.record.issued(valid, request.issuer.server);
  const log = tools.record.log("download");
  log.info("downloading the certificate");
  const chains = await session.download(valid, {
    alternates: request.preferredChain !== undefined,
    signal: tools.signal,
  });
  const chain = chooseChain(chains, request.preferredChain, log, tools.ca.extraRoots);
  try {
    const expected = {
      publicKey: await publicKeyOf(key),
      identifiers: request.identifiers,
      now: new Date(tools.clock.now().getTime() + tools.ca.clockSkew),
      start: request.notBefore,
      stapling: request.mustStaple,
    };
    const certificate = acceptCertificate(chain, expected);
    for (const warning of certificate.warnings) log.warn(warning);
    const alternates = chains
      .filter((one) => one !== chain)
      .flatMap((one) => tryToAccept(() => acceptCertificate(one, expected)));
    return { order: valid, certificate, chain, alternates };
  } catch (error) {
    const { keepRefused } = await import("./refused.ts");
    throw await keepRefused(error, chain, { order: valid, key, request }, journal, tools);
  }
}

async function waitUntilValid(
  order: Order,
  key: KeyMaterial,
  { session }: OpenAccount,
  { signal, record, clock }: IssueTools,
): Promise<Order> {
  let current = order;
  if (current.status === "pending" || current.status === "ready") {
    record.log("finalize").info("finalizing the order");
    current = await session.finalize(current, Buffer.from(key.csr, "base64"), signal);
  }
  const longest = order.status === "processing" ? again : timeout;
  const group = openGroup(1, clock);
  return session.waitForOrder(current, {
    signal,
    timeout: longest,
    onWait(waited) {
      if (group.mayReport("wait", { later: true })) {
        const time = timeOf(waited, longest);
        record.log("finalize").info(`waiting for the CA to issue the certificate, ${time}`);
      }
    },
  });
}

/** The other chains are only kept: one that is broken changes nothing. */
function tryToAccept(accept: () => AcceptedCertificate): readonly AcceptedCertificate[] {
  try {
    return [accept()];
  } catch {
    return [];
  }
}

async function publicKeyOf({ privateKey, csr }: KeyMaterial) {
  if (privateKey !== undefined) return publicHalf(privateKey);
  // It parses ASN.1 with a library that few runs need.
  const { readCsr } = await import("../acme/certificate/csr.ts");
  return readCsr(Buffer.from(csr, "base64")).publicKey;
}

/** With a key that is used again, an old answer of the CA or of a cache looks like a new certificate. */
export async function refuseSame(
  fingerprint: string,
  before: StoredCertificate | undefined,
  { url }: Order,
  journal: OrderJournal,
): Promise<void> {
  if (fingerprint !== before?.held?.meta.fingerprint) return;
  await journal.end();
  throw new Problem("protocol", {
    title: "The CA returned the certificate that is already held",
    detail: `The certificate of the order ${url} is the one that is already held, so nothing was renewed.`,
    hint: "Run the command again; it places a new order. If this happens again, report it to the CA.",
  });
}

/** What is committed: the files, and what is known of them. */
export function versionOf(
  request: CertificateRequest,
  key: KeyMaterial,
  account: OpenAccount,
  { order, certificate, chain, alternates }: Issued,
  issuedAt: Date,
): NewVersion {
  if (order.certificate === undefined) {
    throw new Problem("protocol", {
      detail: `The order ${order.url} is valid and names no certificate.`,
    });
  }
  const meta: VersionMeta = {
    identifiers: request.identifiers,
    added: certificate.added.length > 0 ? certificate.added : undefined,
    serial: certificate.serial,
    fingerprint: certificate.fingerprint,
    issuer: certificate.issuer,
    notBefore: certificate.notBefore.toISOString(),
    notAfter: certificate.notAfter.toISOString(),
    keyType: request.csr === undefined ? request.keyType : "csr",
    directory: request.issuer.server,
    account: account.stored.id,
    profile: request.profile,
    preferredChain: request.preferredChain,
    terms: termsOf(request),
    certificateUrl: order.certificate,
    orderUrl: order.url,
    optionalAlternates: chain.optional,
    ariId: certificate.ariId,
    issuedAt: issuedAt.toISOString(),
    requestHash: requestHash(request),
  };
  return {
    privateKey: key.privateKey,
    certificate: certificate.leaf,
    chain: certificate.chain,
    alternates: alternates.map((one) => one.leaf + one.chain),
    properties: chain.properties,
    meta,
  };
}
