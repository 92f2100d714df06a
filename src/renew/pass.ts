import type { Context } from "../context.ts";
import { openDeployment, showDeployment } from "../deploy/deployment.ts";
import { cleanAllLeftovers } from "../issue/leftovers.ts";
import { openPool } from "../issuer/pool.ts";
import type { ToolsOptions } from "../issuer/open.ts";
import { brokenRenewal } from "../status/broken.ts";
import type { Store, StoredCertificate } from "../state/store.ts";
import {
  readAll,
  refuseUnknown,
  type BrokenCertificate,
  type WantedCertificate,
} from "../status/wanted.ts";
import { renewAll, type Renewal, type RenewOptions } from "./renew.ts";
import { messageOf } from "../errors.ts";

/** What a pass works on. */
export interface PassCertificates {
  readonly certificates: readonly WantedCertificate[];
  /** Whose records cannot be read: they fail, and the others go on. */
  readonly broken: readonly BrokenCertificate[];
}

/** One pass of renewals over certificates that may have several issuers, with everything opened and closed around it. */
export async function renewPass(
  { certificates, broken }: PassCertificates,
  options: RenewOptions,
  context: Context,
  settings: Omit<ToolsOptions, "around"> & { readonly dryRun: boolean },
): Promise<readonly Renewal[]> {
  const { store, dryRun } = settings;
  const { log, clock, signal, redact } = context;
  const requests = certificates.map(({ request }) => request);
  const deployment = dryRun
    ? showDeployment(context)
    : openDeployment({ ...context, store, requests });
  const { hooks } = deployment;
  const pool = openPool(requests, context, { ...settings, around: hooks });
  try {
    await hooks.resume();
    await cleanBefore(certificates, pool, store, context);
    const renewals = await renewAll(certificates, options, {
      store,
      log,
      clock,
      signal,
      redact,
      deploy: (certificate) => deployment.deploy(certificate),
      open: (issuer) => pool.open(issuer),
      random: Math.random,
    });
    return [...renewals, ...broken.map((one) => brokenRenewal(one, clock.now()))];
  } finally {
    await pool.close();
    await hooks.post();
  }
}

/** What dead runs have left is removed first, where there is something; whatever stands in the way stops no renewal. */
async function cleanBefore(
  certificates: readonly StoredCertificate[],
  pool: ReturnType<typeof openPool>,
  store: Store,
  { log, signal }: Context,
): Promise<void> {
  if ((await store.journal.names()).length === 0) return;
  for (const { request } of certificates) {
    try {
      return await cleanAllLeftovers(await pool.open(request.issuer));
    } catch (error) {
      signal.throwIfAborted();
      const reason = messageOf(error);
      log.warn(`what former runs left behind could not be looked at: ${reason}`, {
        step: "cleanup",
      });
    }
  }
}

/** The certificates that a command names, all of them when it names none. An unknown name is a Problem that lists those there are. */
export async function namedCertificates(
  names: readonly string[],
  store: Store,
): Promise<{
  readonly certificates: readonly StoredCertificate[];
  readonly broken: readonly BrokenCertificate[];
}> {
  const { certificates, broken } = await readAll(store);
  const known = [...certificates, ...broken].map(({ name }) => name);
  refuseUnknown(names, known, store);
  const isNamed = ({ name }: { name: string }) => names.length === 0 || names.includes(name);
  return { certificates: certificates.filter(isNamed), broken: broken.filter(isNamed) };
}
