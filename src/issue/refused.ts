import type { DownloadedChain, Order } from "../acme/acme.ts";
import type { CertificateRequest } from "../certificate.ts";
import { messageOf } from "../errors.ts";
import { Problem } from "../problem.ts";
import type { KeyMaterial } from "./finalize.ts";
import type { OrderJournal } from "./journal.ts";
import type { IssueTools } from "./tools.ts";

/**
 * Keep a certificate that is not accepted beside the others, with its key, and end its order: another download would be the
 * same. Answers the failure with the place in it.
 */
export async function keepRefused(
  error: unknown,
  { pem, url }: DownloadedChain,
  { order, key, request }: { order: Order; key: KeyMaterial; request: CertificateRequest },
  journal: OrderJournal,
  { store, clock, record }: IssueTools,
): Promise<unknown> {
  if (!Problem.is(error)) return error;
  const log = record.log("download");
  const { privateKey } = key;
  try {
    const where = await store.certificates.keepRefused(request.name, {
      pem,
      privateKey,
      why: error.message,
      directory: request.issuer.server,
      orderUrl: order.url,
      at: clock.now().toISOString(),
    });
    await journal.end();
    const what =
      privateKey === undefined ? "The certificate is" : "The certificate and its key are";
    return error.with({ detail: `${error.message} ${what} kept in ${where}.` });
  } catch (cause) {
    log.warn(`the refused certificate at ${url} could not be kept: ${messageOf(cause)}`);
    return error;
  }
}
