/** The unfinished order of an earlier run, as far as it can be resumed. */
import { isSameKey, publicHalf } from "../acme/keys.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Log } from "../plugin.ts";
import { requestHash } from "../request/drift.ts";
import type { OrderProgress, PendingOrder } from "../state/store.ts";
import { ordersIn } from "./journal.ts";
import type { LeftoverTools } from "./tools.ts";

/** The one for this request, if there is one, without a key and a CSR of which no certificate could be used. */
export async function resumable(
  pending: PendingOrder,
  request: CertificateRequest | undefined,
  { record }: Pick<LeftoverTools, "record">,
): Promise<PendingOrder> {
  const found = orderFor(request, pending);
  const log = record.log("key");
  const second = found.second && (await withPairOnly(found.second, log));
  return { ...(await withPairOnly(found, log)), second };
}

/** The order for the request in the place of the one that was worked on last. */
function orderFor(request: CertificateRequest | undefined, pending: PendingOrder): PendingOrder {
  if (request === undefined || pending.others === undefined) return pending;
  const hash = requestHash(request);
  const all = ordersIn(pending);
  const own = all.find((one) => one.requestHash === hash);
  if (own === undefined || pending.requestHash === hash) return pending;
  const { name, presented } = pending;
  return { ...own, name, presented, others: all.filter((one) => one !== own) };
}

async function withPairOnly<T extends OrderProgress>(pending: T, log: Log): Promise<T> {
  const { privateKey, csr } = pending;
  if (privateKey === undefined || csr === undefined) return pending;
  // It parses ASN.1 with a library that few runs need.
  const { readCsr } = await import("../acme/certificate/csr.ts");
  try {
    const { publicKey } = readCsr(Buffer.from(csr, "base64"));
    if (isSameKey(publicKey, publicHalf(privateKey))) return pending;
  } catch {
    // One of them cannot be read.
  }
  log.warn("the key and the CSR of the unfinished order do not belong together; making new ones");
  return { ...pending, privateKey: undefined, csr: undefined, finalizing: undefined };
}
