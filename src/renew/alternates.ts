/** Forms of a certificate that its CA has only some time after issuance. Nothing waits for them; a later run fetches them. */
import { X509Certificate } from "node:crypto";
import { acceptCertificate } from "../acme/certificate/accept.ts";
import { publicKeyOf } from "../acme/certificate/extensions.ts";
import { signerOf } from "../acme/signer.ts";
import type { IssueTools } from "../issue/tools.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, StoredCertificate } from "../state/store.ts";
import { alternatesLeft } from "../status/alternates.ts";

const day = 24 * 60 * 60_000;
const minute = 60_000;

/** Ask for those that are left, keep those that the CA has. A failure costs nothing but time. */
export async function fetchAlternates(
  certificate: StoredCertificate,
  tools: Pick<IssueTools, "ca" | "clock" | "log" | "signal" | "store">,
): Promise<void> {
  const { name, held, status } = certificate;
  const { clock, store } = tools;
  if (held === undefined) return;
  const { fingerprint, optionalAlternates = [] } = held.meta;
  const left = alternatesLeft(certificate);
  const known = status.alternates?.fingerprint === fingerprint ? status.alternates.done : [];
  const done = [...known];
  let next = clock.now().getTime() + day;
  for (const url of left) {
    const later = await fetchOne(url, optionalAlternates.indexOf(url) + 1, name, held, tools);
    if (later === undefined) done.push(url);
    else next = Math.min(next, Math.max(later.getTime(), clock.now().getTime() + minute));
  }
  const alternates = { fingerprint, done, nextCheck: new Date(next).toISOString() };
  await store.certificates.updateStatus(name, (now) => ({ ...now, alternates }));
}

/** When to ask again; undefined if that is of no use. */
async function fetchOne(
  url: string,
  place: number,
  name: string,
  held: HeldCertificate,
  { ca, clock, log, signal, store }: Pick<IssueTools, "ca" | "clock" | "log" | "signal" | "store">,
): Promise<Date | undefined> {
  const accounts = await store.accounts.ofDirectory(held.meta.directory);
  const account = accounts.find(({ id }) => id === held.meta.account);
  const stored = await store.certificates.readCertificate(name);
  if (account?.url === undefined || stored === undefined) return undefined;
  try {
    const session = ca.session(signerOf(account.key), account.url);
    const chain = await session.optionalAlternate(url, signal);
    if (chain instanceof Date) return chain;
    const now = new Date(clock.now().getTime() + ca.clockSkew);
    const { identifiers } = held.meta;
    const publicKey = publicKeyOf(new X509Certificate(stored.certificate));
    const { leaf, chain: above } = acceptCertificate(chain, { publicKey, identifiers, now });
    const pem = (chain.properties ?? "") + leaf + above;
    await store.certificates.saveAlternate(name, held.version, place, pem);
    log.info(`kept another form of the certificate ${name} from ${url}`, { step: "alternates" });
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (!Problem.is(error)) throw error;
    const text = `${name}: no other form of the certificate from ${url}: ${error.message}`;
    log.debug(text, { step: "alternates" });
    const isFinal = error.is("protocol") || [403, 404, 410].includes(error.document.status ?? 0);
    return isFinal ? undefined : (error.retryAt ?? new Date(clock.now().getTime() + day));
  }
}
