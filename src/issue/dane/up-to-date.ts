/** Whether anything is to be done about TLSA records, which each run asks: it loads nothing of what does it. */
import { isDeployed } from "../../deploy/steps.ts";
import { namesOf } from "../../request/drift.ts";
import type { HeldCertificate, StoredCertificate } from "../../state/store.ts";

/** True if the records are as the certificate in use wants them. Offline. */
export function isUpToDate(
  { request, held, status, ...known }: StoredCertificate,
  now: Date,
): boolean {
  const { dane } = status;
  if (request.dane === undefined) return dane === undefined;
  if (!isReal(held)) return true;
  const isOver = dane?.recheckAt !== undefined && new Date(dane.recheckAt) <= now;
  return dane?.settled === markOf({ request, held, status, ...known }) && !isOver;
}

export function isReal(held: HeldCertificate | undefined): held is HeldCertificate {
  return held !== undefined && held.meta.temporary !== true;
}

/** What decides which records there should be. */
export function markOf(certificate: StoredCertificate): string {
  const { request, held } = certificate;
  const { keyType, secondKeyType = "", privateKey = "", csr = "", dane } = request;
  const keys = [keyType, secondKeyType, privateKey, csr.slice(-32)].join(" ");
  const places = `${namesOf(request.identifiers)} ${dane?.ports.join(" ")}`;
  return `${held?.version} ${isDeployed(certificate) ? "deployed" : "waiting"} ${keys} ${places}`;
}
