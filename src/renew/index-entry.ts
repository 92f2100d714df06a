import { isDeployed } from "../deploy/steps.ts";
import { isUpToDate } from "../issue/dane/up-to-date.ts";
import type { IndexEntry, StoredCertificate } from "../state/store.ts";
import { alternatesFrom } from "../status/alternates.ts";
import { isFirstAttempt } from "../status/certificates.ts";
import { dueOf } from "../status/due.ts";
import { nextQuestionOf } from "./ari.ts";

/** By what a run finds a certificate that it has something to do with; a release that changes a rule resets the index by a migration. */
export function indexEntryOf(certificate: StoredCertificate, now: Date): IndexEntry {
  if (isFirstAttempt(certificate)) return { due: undefined, look: undefined };
  const { recheckAt } = certificate.status.dane ?? {};
  const isDone = isDeployed(certificate) && isUpToDate(certificate, now);
  const looks = [
    isDone ? undefined : new Date(0),
    nextQuestionOf(certificate),
    alternatesFrom(certificate, now),
    recheckAt === undefined ? undefined : new Date(recheckAt),
  ].filter((one) => one !== undefined);
  const [look] = looks.toSorted((a, b) => a.getTime() - b.getTime());
  return { due: dueOf(certificate, now).at, look };
}
