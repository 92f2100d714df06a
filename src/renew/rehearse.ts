import { refuseIfCounted, rehearseAuthorizations } from "../issue/proof/authorizations.ts";
import { cleanAllLeftovers } from "../issue/journal.ts";
import { openPool } from "../issuer/open.ts";
import type { Context } from "../context.ts";
import { Problem } from "../problem.ts";
import type { Store } from "../state/store.ts";
import type { Certificates, KnownCertificate } from "../status/certificates.ts";
import { dueOf } from "../status/due.ts";
import { brokenRenewal, type Renewal } from "./renew.ts";

/** Order each certificate from its own CA up to the authorizations, one after the other; a failure stops no other. */
export async function rehearseAll(
  { certificates, broken }: Certificates,
  context: Context,
  settings: { readonly store: Store; readonly lockTimeout: number | undefined },
): Promise<readonly Renewal[]> {
  const requests = certificates.map(({ request }) => request);
  const pool = openPool(requests, context, settings);
  const now = context.clock.now();
  const renewals = broken.map((one) => brokenRenewal(one, now));
  try {
    for (const certificate of certificates) {
      const { name, held } = certificate;
      const problem = await failureOf(certificate, pool, context);
      const outcome = problem === undefined ? "renewed" : "failed";
      renewals.push({ name, outcome, due: dueOf(certificate, now), held, problem });
    }
    return renewals;
  } finally {
    await pool.close();
  }
}

/** The Problem that stops a certificate, if any; anything else is thrown. */
async function failureOf(
  { request }: KnownCertificate,
  pool: ReturnType<typeof openPool>,
  { signal }: Context,
): Promise<Problem | undefined> {
  try {
    refuseIfCounted(request.issuer);
    const tools = await pool.open(request.issuer);
    await cleanAllLeftovers(tools);
    await rehearseAuthorizations(request, tools);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    if (Problem.is(error)) return error;
    throw error;
  }
}
