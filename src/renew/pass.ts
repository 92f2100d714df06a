import type { Ambient } from "../issue/ambient.ts";
import { openDeployment, showDeployment } from "../deploy/deployment.ts";
import { cleanAllLeftovers } from "../issue/leftovers.ts";
import { openPool } from "../issue/pool.ts";
import type { ToolsOptions } from "../issue/open.ts";
import type { Store, StoredCertificate } from "../store/store.ts";
import { dueOf, pauseOf } from "./due.ts";
import { refuseUnknown, type WantedCertificate } from "./wanted.ts";
import { renewAll, type Renewal, type RenewOptions } from "./renew.ts";

/** One pass of renewals over certificates that may have several issuers, with everything opened and closed around it. */
export async function renewPass(
  certificates: readonly WantedCertificate[],
  options: RenewOptions,
  ambient: Ambient,
  settings: Omit<ToolsOptions, "around"> & { readonly dryRun: boolean },
): Promise<readonly Renewal[]> {
  const { store, dryRun } = settings;
  const { log, clock, signal } = ambient;
  const deployment = dryRun ? showDeployment(ambient) : openDeployment({ ...ambient, store });
  const { hooks } = deployment;
  const requests = certificates.map(({ request }) => request);
  const pool = openPool(requests, ambient, { ...settings, around: hooks });
  try {
    await cleanBefore(certificates, options, pool, store, clock.now());
    return await renewAll(certificates, options, {
      store,
      log,
      clock,
      signal,
      deploy: (certificate) => deployment.deploy(certificate),
      open: (issuer) => pool.open(issuer),
      random: Math.random,
    });
  } finally {
    await pool.close();
    await hooks.post();
  }
}

/** What dead runs have left is removed first; solvers are opened for it only where there is something. */
async function cleanBefore(
  certificates: readonly StoredCertificate[],
  { force }: RenewOptions,
  pool: ReturnType<typeof openPool>,
  store: Store,
  now: Date,
): Promise<void> {
  const [any] = certificates;
  if (any === undefined || (await store.journal.names()).length === 0) return;
  const due = certificates.find(
    (one) => dueOf(one, now).at <= now && pauseOf(one, now, force) === undefined,
  );
  await cleanAllLeftovers(await pool.open((due ?? any).request.issuer));
}

/** The certificates that a command names, all of them when it names none. An unknown name is a Problem that lists those there are. */
export async function namedCertificates(
  names: readonly string[],
  store: Store,
): Promise<readonly StoredCertificate[]> {
  const known = await store.certificates.names();
  refuseUnknown(names, known, store);
  const found = await Promise.all(
    (names.length === 0 ? known : names).map((name) => store.certificates.read(name)),
  );
  return found.filter((one) => one !== undefined);
}
