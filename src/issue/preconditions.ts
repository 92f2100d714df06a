import { isSameKey, publicHalf } from "../acme/keys.ts";
import { isForTesting } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import { dateFrom } from "../dates.ts";
import { quotedWord } from "../options/words.ts";
import { unmetDemands } from "../request/demands.ts";
import { Problem } from "../problem.ts";
import type { HeldCertificate, Store, StoredCertificate } from "../state/store.ts";
import { caPauseOf } from "../state/pause.ts";
import { capEnd, issuedElsewhere } from "../request/cap.ts";
import { readKeyFile } from "../request/given-file.ts";
import type { IssueTools } from "./tools.ts";

/** Stores settings that do not affect the certificate (solvers, hooks, copies), where they have changed. Answers the changed settings, in words. */
export async function rememberChange(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  store: Store,
): Promise<readonly string[]> {
  if (JSON.stringify(before?.request) === JSON.stringify(request)) return [];
  await store.certificates.saveRequest(request);
  const isChanged = (key: keyof typeof settings) =>
    JSON.stringify(before?.request[key]) !== JSON.stringify(request[key]);
  return keysOf(settings).flatMap((key) => (isChanged(key) ? [settings[key]] : []));
}

const settings = {
  reuseKey: "key reuse",
  labels: "labels",
  outputs: "copies",
  hooks: "hooks and deploy steps",
  windows: "deploy windows",
  renew: "automatic renewal",
  freeze: "freeze windows",
  dane: "DANE records",
} as const;

const keysOf = <K extends string>(map: Readonly<Record<K, unknown>>): readonly K[] =>
  Object.keys(map).filter((key): key is K => Object.hasOwn(map, key));

/** Our own limit gives way to --force; one that the CA itself has set does not. */
export async function refuseByLimit(
  request: CertificateRequest,
  { status, held }: Partial<Pick<StoredCertificate, "status" | "held">>,
  force: boolean,
  { store, clock }: Pick<IssueTools, "store" | "clock">,
): Promise<void> {
  const { name } = request;
  const now = clock.now();
  const elsewhere = force ? [] : await issuedElsewhere(request, store);
  const capped = force
    ? undefined
    : capEnd({ status: status ?? {}, held }, request, now, elsewhere);
  if (capped !== undefined)
    throw new Problem("backoff", {
      detail: `The CA has issued for these names several times within a week, so nothing is ordered for ${name} before ${dateFrom(now, capped)}.`,
      hint: `Find out why with \`acmectl status ${quotedWord(name)}\`. To order now, add --force; public CAs refuse the sixth certificate for the same names in a week.`,
      retryAt: capped,
    });
  const until = status && caPauseOf(status, now);
  if (until === undefined) return;
  throw new Problem("backoff", {
    detail: `The CA accepts no order for ${name} before ${dateFrom(now, until)}.`,
    hint: `Wait until then: asking earlier may extend the limit. Run \`acmectl status ${quotedWord(name)}\` for the CA's own words.`,
    retryAt: until,
    fromCa: true,
  });
}

/** How the request proves its names in another way than the stored one, in words; undefined when it does not. */
export function changedProof(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
): string | undefined {
  if (before === undefined || proofOf(request) === proofOf(before.request)) return undefined;
  const [now, then] = [request, before.request].map(({ solvers }) =>
    solvers.length === 0 ? "no solver" : solvers.map(({ name }) => name).join(", "),
  );
  return now === then ? `${now} with other options` : `${now} instead of ${then}`;
}

function proofOf({ solvers, dns, selfCheck, selfCheckAt }: CertificateRequest): string {
  return JSON.stringify([solvers, dns, selfCheck, selfCheckAt]);
}

/** A certificate that no client trusts must not replace one that is in use. */
export function refuseTestOverLive(
  { name, issuer, issuers = [issuer] }: CertificateRequest,
  held: HeldCertificate | undefined,
): void {
  const test = issuers.find(({ server }) => isForTesting(server));
  if (held === undefined || test === undefined || isForTesting(held.meta.directory)) return;
  throw new Problem("usage", {
    title: "A test certificate would replace a live one",
    detail: `${name} is held from ${held.meta.directory}, and ${test.server} is for testing only.`,
    hint: `Use --dry-run, or another --name such as ${name}-test. To remove the live one: acmectl delete ${quotedWord(name)}.`,
  });
}

/** What the CA is known to refuse is found before the first request. */
export async function refuseUnmet(
  request: CertificateRequest,
  { store, eab, fetchEab }: Pick<IssueTools, "store" | "eab" | "fetchEab">,
): Promise<void> {
  const accounts = await store.accounts.ofDirectory(request.issuer.server);
  const isRegistered = accounts.some(({ url }) => url !== undefined);
  const hasBinding = eab !== undefined || fetchEab !== undefined;
  const [problem] = unmetDemands(request, { isRegistered, hasBinding });
  if (problem !== undefined) throw problem;
}

/** RFC 8555 §11.1: no certificate for the key of an account. Only a CSR of the user's can bring one. */
export async function refuseAccountKey(
  { csr, privateKey }: CertificateRequest,
  store: Store,
): Promise<void> {
  if (csr === undefined && privateKey === undefined) return;
  const asked =
    csr === undefined ? publicHalf((await readKeyFile(privateKey ?? "")).pem) : await keyOfCsr(csr);
  const account = (await store.accounts.list()).find(({ key }) =>
    isSameKey(publicHalf(key), asked),
  );
  if (account === undefined) return;
  throw new Problem("usage", {
    detail: `${csr === undefined ? `The private key ${privateKey}` : "The certificate signing request"} is for the key of the account in ${account.where}, and CAs must refuse that (RFC 8555 §11.1).`,
    hint: "Make the request with a key of its own.",
  });
}

async function keyOfCsr(csr: string): Promise<Buffer> {
  // It parses ASN.1 with a library that few runs need.
  const { readCsr } = await import("../acme/certificate/csr.ts");
  return readCsr(Buffer.from(csr, "base64")).publicKey;
}
