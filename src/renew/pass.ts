import type { Context } from "../context.ts";
import { openDeployment, showDeployment } from "../deploy/deployment.ts";
import { messageOf } from "../errors.ts";
import { cleanAllLeftovers } from "../issue/journal.ts";
import { openPool, type ToolsOptions } from "../issuer/open.ts";
import { createLimit, type Limit } from "../limit.ts";
import type { Log } from "../plugin.ts";
import type { Certificates, KnownCertificate } from "../status/certificates.ts";
import { dueOf } from "../status/due.ts";
import { issuerOf } from "../request/drift.ts";
import { alternatesFrom } from "../status/alternates.ts";
import { turnsToAsk } from "./ari.ts";
import { announce, announceFirst } from "./announce.ts";
import { openTurns, type Turns } from "./turns.ts";
import {
  brokenRenewal,
  deploy,
  examine,
  isReady,
  withNextDue,
  type Examined,
  type Pass,
  type Renewal,
  type RenewOptions,
} from "./renew.ts";

/**
 * Renew what is due, each certificate on its own: no failure stops the others. Everything is opened once per issuer, and
 * closed at the end.
 */
export async function renewPass(
  { certificates, broken, total }: Certificates,
  options: RenewOptions,
  context: Context,
  run: Omit<ToolsOptions, "around"> & { readonly dryRun: boolean },
): Promise<readonly Renewal[]> {
  const { store, dryRun } = run;
  const { clock, log } = context;
  const requests = certificates.map(({ request }) => request);
  const deployment = dryRun
    ? showDeployment(context)
    : openDeployment({ ...context, store, requests });
  const pool = openPool(requests, context, { ...run, around: deployment.hooks });
  const logOf = (name: string) => (certificates.length > 1 ? labelled(log, name) : log);
  const startedAt = clock.now();
  try {
    await deployment.hooks.resume();
    const pass = { context, store, options, startedAt, pool, deployment, logOf };
    await cleanLeftovers(certificates, pass);
    const renewals = await renewAll(certificates, total, pass);
    if (!dryRun) await fetchLater(certificates, renewals, pass);
    return [...renewals, ...broken.map((one) => brokenRenewal(one, clock.now()))];
  } catch (error) {
    throw await deployment.stopped(error);
  } finally {
    await pool.close();
    await deployment.hooks.post();
  }
}

/** Remove what killed runs left behind, if anything; a failure here stops no renewal. */
async function cleanLeftovers(
  certificates: readonly KnownCertificate[],
  { store, pool, context: { log, signal } }: Pass,
): Promise<void> {
  if ((await store.journal.names()).length === 0) return;
  for (const { request } of certificates) {
    try {
      return await cleanAllLeftovers(await pool.open(request.issuer));
    } catch (error) {
      signal.throwIfAborted();
      log.warn(`could not clean up after a killed run: ${messageOf(error)}`, { step: "cleanup" });
    }
  }
}

/** What the CA has of certificates of earlier runs since, when everything else is done. */
async function fetchLater(
  certificates: readonly KnownCertificate[],
  renewals: readonly Renewal[],
  { context, pool, store, logOf }: Pass,
): Promise<void> {
  const now = context.clock.now();
  const versions = new Map(renewals.map(({ name, held }) => [name, held?.version]));
  for (const one of certificates) {
    const from = alternatesFrom(one, now);
    const issuer = issuerOf(one.request, one.held);
    const isSame = one.held?.version === versions.get(one.name);
    if (from === undefined || from > now || !isSame) continue;
    if (issuer.server !== one.held?.meta.directory) continue;
    const { fetchAlternates } = await import("./alternates.ts");
    try {
      await fetchAlternates(one, { ...(await pool.open(issuer)), store, log: logOf(one.name) });
    } catch (error) {
      context.signal.throwIfAborted();
      logOf(one.name).debug(`no other form of the certificate: ${messageOf(error)}`);
    }
  }
}

/** All are examined first; then the most urgent have the first turns, and `max` leaves the rest for the next run. */
async function renewAll(
  certificates: readonly KnownCertificate[],
  total: number | undefined,
  pass: Pass,
): Promise<readonly Renewal[]> {
  const { options } = pass;
  const limit = createLimit(options.concurrency);
  const asked = turnsToAsk(certificates, options.every, pass.context.clock.now(), total);
  const examined = await Promise.all(
    certificates.map((one) => limit(() => examine(one, asked.has(one.name), pass))),
  );
  const due = examined
    .filter(({ renewal }) => renewal === undefined)
    .toSorted((a, b) => endOf(a.certificate) - endOf(b.certificate))
    .slice(0, options.max);
  const turns = openTurns(limit, pass);
  const replaced = async ({ certificate }: Examined) =>
    withNextDue(await waited(certificate, limit, turns, pass), certificate, pass);
  const replacing = new Map(due.map((one) => [one, replaced(one)] as const));
  return Promise.all(
    examined.map(async (one) => {
      const renewal = one.renewal ?? (await replacing.get(one)) ?? postponed(one.certificate, pass);
      const announced = await announceFirst(renewal, one.certificate, pass);
      return announce(await deploy(announced, one.certificate, pass), one.certificate, pass);
    }),
  );
}

/** A scheduled run waits, after every local check; no wait takes the turn of another certificate. */
async function waited(
  certificate: KnownCertificate,
  limit: Limit,
  turns: Turns,
  pass: Pass,
): Promise<Renewal> {
  const { context, options, logOf } = pass;
  const pause = options.jitter ? jitterOf(certificate, options.every, context.clock.now()) : 0;
  if (pause > 0 && (await limit(() => isReady(certificate, pass)))) {
    const text = `waiting ${Math.round(pause / 1000)} s, so that not all hosts renew at once`;
    logOf(certificate.name).info(text, { step: "jitter" });
    await context.clock.sleep(pause, context.signal);
  }
  return turns(certificate);
}

/** Milliseconds; the limit of certbot and lego. */
const longestJitter = 8 * 60_000;

/** A random wait of at most a tenth of the time that is left, and of the schedule's interval; none for a first certificate. */
export function jitterOf(
  { held }: KnownCertificate,
  every: number,
  now: Date,
  random: () => number = Math.random,
): number {
  if (held === undefined || held.meta.temporary === true) return 0;
  const left = new Date(held.meta.notAfter).getTime() - now.getTime();
  const interval = every === 0 ? longestJitter : every / 10;
  return Math.max(0, Math.floor(random() * Math.min(longestJitter, left / 10, interval)));
}

/** When it ends; missing certificates sort first. */
function endOf({ held }: KnownCertificate): number {
  return held === undefined ? 0 : new Date(held.meta.notAfter).getTime();
}

function postponed(certificate: KnownCertificate, { context, options, logOf }: Pass): Renewal {
  const { name, held } = certificate;
  const now = context.clock.now();
  const due = dueOf(certificate, now, options.every);
  if (endOf(certificate) <= now.getTime() || due.rule === "emergency") {
    logOf(name).warn(
      `${name} has expired or is about to, but is left for the next run because of --max`,
      { step: "renew" },
    );
  }
  return { name, outcome: "postponed", due, held };
}

function labelled(log: Log, certificate: string): Log {
  const text = (message: string) =>
    message.startsWith(certificate) ? message : `${certificate}: ${message}`;
  return {
    debug: (message, fields) => log.debug(text(message), { certificate, ...fields }),
    info: (message, fields) => log.info(text(message), { certificate, ...fields }),
    warn: (message, fields) => log.warn(text(message), { certificate, ...fields }),
  };
}
