/** One pass over all that the config and earlier requests want. */
import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { createLimit } from "../limit.ts";
import { composeConfigured } from "../request/configured.ts";
import { driftOf } from "../request/drift.ts";
import type { HeldCertificate, Store } from "../state/store.ts";
import { wantedCertificates, type KnownCertificate } from "../status/certificates.ts";
import { idleConfig, idleRenewals } from "./idle.ts";
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
  const unsaved = certificates.filter(isNew).map(({ request }) => request);
  await saveAll(unsaved, options.concurrency, store);
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
function isNew({ request, held, changed, isRemembered = false }: KnownCertificate): boolean {
  const drifts = held !== undefined && (driftOf(request, held) ?? changed) !== undefined;
  return request.fromConfig === true && !drifts && !isRemembered;
}

async function saveAll(
  requests: readonly CertificateRequest[],
  concurrency: number,
  { certificates }: Store,
): Promise<void> {
  const limit = createLimit(concurrency);
  await Promise.all(requests.map((one) => limit(() => certificates.saveRequest(one))));
}

/** What the command shows after a pass. */
export interface Shown extends Pick<Applied, "renewals"> {
  /** Names whose entry is gone from the config. */
  readonly orphans: readonly string[];
  /** What is held now; of many, the one with the shortest lifetime is enough. */
  readonly held: readonly HeldCertificate[];
}

/**
 * The result of `applyPass` when there is nothing to do, without having all certificates in memory at once; undefined when there
 * may be something. Without `every`, the machine is asked for the interval of its schedule if that matters.
 */
export async function idleApply(
  { every, concurrency }: { readonly every?: number | undefined; readonly concurrency: number },
  context: Context,
  store: Store,
  intervalHere: () => Promise<number>,
): Promise<Shown | undefined> {
  const configured = await composeConfigured(await context.config());
  const keepsHeld = context.sourceOf("json") !== "not given";
  const now = context.clock.now();
  const unsaved: CertificateRequest[] = [];
  const save = () => saveAll(unsaved.splice(0), concurrency, store);
  const remember = async (one: KnownCertificate) => {
    if (isNew(one)) unsaved.push(one.request);
    if (unsaved.length >= concurrency) await save();
  };
  const idle = (interval: number | undefined) =>
    idleConfig(configured, { every: interval, keepsHeld }, store, now, remember);
  const first = await idle(every);
  const found = first === "needs interval" ? await idle(await intervalHere()) : first;
  await save();
  if (found === undefined || found === "needs interval") return undefined;
  return { ...found, held: found.shortest === undefined ? [] : [found.shortest] };
}
