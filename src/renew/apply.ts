/** One pass over all that the config and earlier requests want. */
import type { Context } from "../context.ts";
import { createLimit } from "../limit.ts";
import { composeConfigured } from "../request/configured.ts";
import { driftOf } from "../request/drift.ts";
import type { Store } from "../state/store.ts";
import { wantedCertificates, type KnownCertificate } from "../status/certificates.ts";
import { idleRenewals } from "./idle.ts";
import type { renewPass } from "./pass.ts";
import type { Renewal, RenewOptions } from "./renew.ts";

export interface Applied {
  readonly renewals: readonly Renewal[];
  /** As they were before the pass. */
  readonly certificates: readonly KnownCertificate[];
  /** They came from a config entry that is gone. */
  readonly orphans: readonly KnownCertificate[];
  /** True if there was nothing to do. */
  readonly isIdle: boolean;
}

/** Issue what is missing, re-issue what changed, renew what is due. */
export async function applyPass(
  optionsFor: (certificates: readonly KnownCertificate[]) => Promise<RenewOptions>,
  context: Context,
  { store, lockTimeout }: { readonly store: Store; readonly lockTimeout?: number | undefined },
): Promise<Applied> {
  const configured = await composeConfigured(await context.config());
  const { certificates, orphans, broken } = await wantedCertificates(configured, store);
  const options = await optionsFor(certificates);
  const limit = createLimit(options.concurrency);
  await Promise.all(certificates.map((one) => limit(() => remember(one, store))));
  const wanted = { certificates, broken };
  const idle = await idleRenewals(wanted, options, store, context.clock.now());
  const tools = { store, lockTimeout, dryRun: false };
  const renewals = idle ?? (await openPass(wanted, options, context, tools));
  return { renewals, certificates, orphans, isIdle: idle !== undefined };
}

/** What talks to CAs is loaded only where there may be something to do. */
const openPass: typeof renewPass = async (...args) =>
  (await import("./pass.ts")).renewPass(...args);

/** For later renewals. A request for another certificate is remembered only once it is issued: until then the old one is renewed. */
async function remember(
  { request, held, changed, isRemembered = false }: KnownCertificate,
  store: Store,
): Promise<void> {
  const drifts = held !== undefined && (driftOf(request, held) ?? changed) !== undefined;
  if (request.fromConfig !== true || drifts || isRemembered) return;
  await store.certificates.saveRequest(request);
}
