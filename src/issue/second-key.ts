import type { OpenAccount } from "../account/open.ts";
import type { CertificateRequest } from "../certificate.ts";
import { createCsr } from "../acme/certificate/new-csr.ts";
import { signerOf } from "../acme/signer.ts";
import { revokedFor } from "../request/drift.ts";
import type { NewVersion, StoredCertificate } from "../state/store.ts";
import { applicantOf, computeChallenges, type Choice } from "./proof/challenges.ts";
import { preflight } from "./proof/choose.ts";
import { finalizeOrder, prepareKey, versionOf, type KeyMaterial } from "./finalize.ts";
import type { Journal } from "./journal.ts";
import { fetchAuthorizations, placeOrder } from "./order.ts";
import { cleanUp, prove } from "./proof/solve.ts";
import type { IssueTools } from "./tools.ts";

/**
 * The same for a key of the second type, by an order of its own; both are committed together. Most CAs reuse the
 * authorizations of the first order.
 */
export async function withSecondKey(
  first: NewVersion,
  request: CertificateRequest,
  before: StoredCertificate | undefined,
  choices: readonly Choice[],
  { account, journal }: { readonly account: OpenAccount; readonly journal: Journal },
  tools: IssueTools,
): Promise<NewVersion> {
  const { secondKeyType: keyType = "rsa2048" } = request;
  const wanted = { ...request, keyType, secondKeyType: undefined, reuseKey: false };
  const order = await placeOrder(wanted, undefined, account, journal, tools);
  const authorizations = await fetchAuthorizations(order, account, tools);
  const isProven = authorizations.every(({ status }) => status === "valid");
  const checked = isProven ? [] : await preflight(choices, tools);
  const applicant = await applicantOf(account.session, tools);
  const challenges = computeChallenges(authorizations, checked, applicant);
  try {
    await prove(challenges, wanted, account.session, journal, tools);
  } finally {
    await cleanUp(journal, tools);
  }
  const key = await secondKey(request, wanted, before, tools);
  const issued = await finalizeOrder(order, key, wanted, account, journal, tools);
  const { meta, ...second } = versionOf(wanted, key, account, issued, tools.clock.now());
  return { ...first, second, meta: { ...first.meta, second: meta } };
}

/** The one held (`--reuse-key`), or a new one. */
async function secondKey(
  { name, reuseKey }: CertificateRequest,
  wanted: CertificateRequest,
  before: StoredCertificate | undefined,
  tools: IssueTools,
): Promise<KeyMaterial> {
  const isHeld = before?.held?.meta.second?.keyType === wanted.keyType;
  const isReused = reuseKey && isHeld && revokedFor(before) !== "keyCompromise";
  const privateKey = isReused
    ? await tools.store.certificates.readPrivateKey(name, wanted.keyType)
    : undefined;
  if (privateKey === undefined) return prepareKey(wanted, undefined, undefined, tools);
  const csr = await createCsr(signerOf(privateKey), wanted.identifiers, wanted);
  return { privateKey, csr: Buffer.from(csr).toString("base64") };
}
