/**
 * DANE (RFC 6698): the key of the next certificate is made and announced long before a certificate is issued for it, so that
 * every client that looks at the TLSA records accepts the old certificate and the new one (RFC 7671 §8.1).
 */
import type { CertificateRequest } from "../../certificate.ts";
import { dateFrom } from "../../dates.ts";
import { isDeployed, stepsOf } from "../../deploy/steps.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { revokedFor } from "../../request/drift.ts";
import type { DaneRecord } from "../../state/dane.ts";
import type { StoredCertificate } from "../../state/store.ts";
import type { IssueTools } from "../tools.ts";
import { adoptOrderKeys, currentValues, nextValues } from "./keys.ts";
import { publish, remove } from "./records.ts";
import { unsignedZones } from "./signed.ts";
import { isReal, isUpToDate, markOf } from "./up-to-date.ts";

/** Milliseconds that a run waits until no cache has older records; after that, a later run goes on. */
const longest = 10 * 60_000;

/**
 * Before an order: the key that the new certificate gets is announced, and no cache has a set of records without it. The caller
 * has the certificate's lock.
 */
export async function keysAhead(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  tools: IssueTools,
): Promise<void> {
  const { clock, signal, record } = tools;
  const wildcards = request.identifiers.filter(({ value }) => value.startsWith("*."));
  for (const { value } of wildcards)
    record.log("dane").info(`${value} gets no TLSA records: only names of servers have them`);
  const current = await currentValues(request.name, before?.held, tools.store);
  await adoptOrderKeys(request, tools.store);
  const next = await nextValues(request, current, tools.store);
  // A key that was compromised is not announced again.
  const trusted = revokedFor(before) === "keyCompromise" ? [] : current;
  const records = await publish([...new Set([...trusted, ...next])], request, tools);
  const usable = Math.max(...records.map(({ usableAt = 0 }) => new Date(usableAt).getTime()));
  const left = usable - clock.now().getTime();
  if (left <= 0) return;
  if (left > longest) throw tooEarly(request.name, new Date(usable), clock.now());
  record
    .log("dane")
    .info(`waiting ${Math.ceil(left / 1000)} s until no cache has the older TLSA records`);
  await clock.sleep(left, signal);
}

function tooEarly(name: string, retryAt: Date, now: Date): Problem {
  return new Problem("dane", {
    detail: `The TLSA records of the next key of ${name} are published, but caches may have older ones until ${dateFrom(now, retryAt)}. Until then nothing is ordered.`,
    hint: `Run the command again after that; \`acmectl renew\` does so by itself. See \`acmectl status ${quotedWord(name)}\`.`,
    retryAt,
  });
}

/**
 * After a deployment, and whenever something has changed: announce the next key, and remove the records of keys that no server
 * uses any more. Answers a `deploy` Problem if that fails; the next run repeats it.
 */
export async function updateRecords(
  request: CertificateRequest,
  tools: IssueTools,
): Promise<Problem | undefined> {
  const { store, signal, lockTimeout, clock } = tools;
  const { name } = request;
  const known = await store.certificates.read(name);
  if (known === undefined || isUpToDate({ ...known, request }, clock.now())) return undefined;
  const lock = await store.lock(`certificate:${name}`, { wait: lockTimeout, signal });
  try {
    await bringInLine(request, tools);
    return undefined;
  } catch (cause) {
    signal.throwIfAborted();
    if (!Problem.is(cause)) throw cause;
    const { message: detail, hint } = cause;
    const title = `The TLSA records of ${name} are not up to date`;
    return new Problem("deploy", { title, detail, hint, cause });
  } finally {
    await lock.release();
  }
}

async function bringInLine(request: CertificateRequest, tools: IssueTools): Promise<void> {
  const { store, clock } = tools;
  const { name } = request;
  const known = await store.certificates.read(name);
  if (known === undefined) return;
  const certificate = { ...known, request };
  if (request.dane === undefined) return withdraw(certificate, tools);
  if (!isReal(known.held) || isUpToDate(certificate, clock.now())) return;
  const current = await currentValues(name, known.held, store);
  const values = [...current, ...(await nextValues(request, current, store))];
  const wanted = await publish(values, request, tools);
  const unsigned = await unsignedZones(wanted, tools);
  const all = (await store.certificates.read(name))?.status.dane?.records ?? [];
  const places = new Set(wanted.map(placeOf));
  const old = all.filter((one) => !places.has(placeOf(one)));
  // A good key whose record is at another name or port than the certificate has now.
  const isGood = ({ challenge }: DaneRecord) => values.includes(challenge.recordValue);
  const removable = old.filter((one) => isGood(one) || isReplaced(one, certificate, clock.now()));
  const kept = old.filter((one) => !removable.includes(one));
  const until = known.held.meta.notAfter;
  await remove(currentLast(removable, current), name, tools);
  await store.certificates.updateStatus(name, (status) => ({
    ...status,
    dane: {
      records: (status.dane?.records ?? []).map((one) =>
        current.includes(one.challenge.recordValue) ? { ...one, until } : one,
      ),
      settled: markOf(certificate),
      recheckAt: kept
        .flatMap((one) => one.until ?? [])
        .toSorted()
        .at(0),
      unsigned: unsigned.length === 0 ? undefined : unsigned,
    },
  }));
}

/** Records of the key in use are removed last: clients must not find a set without it. */
function currentLast(records: readonly DaneRecord[], current: readonly string[]) {
  const isCurrent = ({ challenge }: DaneRecord) => current.includes(challenge.recordValue);
  return records.toSorted((a, b) => Number(isCurrent(a)) - Number(isCurrent(b)));
}

const placeOf = ({ challenge }: DaneRecord) => `${challenge.recordName} ${challenge.recordValue}`;

/** Without deploy steps it is not known when servers use the new certificate: at the end of the old one they must. */
function isReplaced({ until }: DaneRecord, certificate: StoredCertificate, now: Date): boolean {
  const isOver = until === undefined || new Date(until) <= now;
  return isOver || (stepsOf(certificate.request).length > 0 && isDeployed(certificate));
}

/** The certificate has no `dane` any more. */
async function withdraw(
  { name, request, status, held }: StoredCertificate,
  tools: IssueTools,
): Promise<void> {
  const { certificates } = tools.store;
  const current = await currentValues(name, held, tools.store);
  await remove(currentLast(status.dane?.records ?? [], current), name, tools);
  for (const type of [request.keyType, request.secondKeyType ?? request.keyType])
    await certificates.saveNextKey(name, type, undefined);
  await certificates.updateStatus(name, (status) => ({ ...status, dane: undefined }));
}
