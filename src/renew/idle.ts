import { isDeployed } from "../deploy/steps.ts";
import { isUpToDate } from "../issue/dane/up-to-date.ts";
import type { Configured } from "../request/configured.ts";
import type { HeldCertificate, Store } from "../state/store.ts";
import { eachWanted, type Certificates, type KnownCertificate } from "../status/certificates.ts";
import { alternatesFrom } from "../status/alternates.ts";
import { dueOf, offOf, shorter } from "../status/due.ts";
import { mayAskCa, turnsToAsk } from "./ari.ts";
import type { Renewal, RenewOptions } from "./renew.ts";

/** The longest interval of a schedule that is looked for. */
export const month = 31 * 24 * 60 * 60_000;

/** True if the schedule's interval decides what is due: a certificate is not due yet, and falls due within a month. */
export function needsInterval(certificates: readonly KnownCertificate[], now: Date): boolean {
  return certificates.some((one) => dueOf(one, now).at > now && dueOf(one, now, month).at <= now);
}

/**
 * The result of a pass over these certificates when there is nothing to do, found in what is stored, since most runs end
 * here. Undefined when there may be something. `turns` are the names that the pass asks the CA about.
 */
export async function idleRenewals(
  { certificates, broken, total }: Certificates,
  { force, every }: Pick<RenewOptions, "force" | "every">,
  store: Store,
  now: Date,
  turns: ReadonlySet<string> = turnsToAsk(certificates, every, now, total),
): Promise<readonly Renewal[] | undefined> {
  if (force || broken.length > 0) return undefined;
  const isWaited = (one: KnownCertificate) => turns.has(one.name) && mayAskCa(one, now);
  const renewals: Renewal[] = [];
  for (const one of certificates) {
    const renewal = isWaited(one) ? undefined : idleRenewal(one, every, now);
    if (renewal === undefined) return undefined;
    renewals.push(renewal);
  }
  return (await isNothingOpen(store)) ? renewals : undefined;
}

/** Undefined if there may be something to do for it beside asking the CA. */
function idleRenewal(
  one: KnownCertificate,
  every: number | undefined,
  now: Date,
): Renewal | undefined {
  const due = dueOf(one, now, every);
  const isIdle =
    due.at > now &&
    (alternatesFrom(one, now) ?? due.at) > now &&
    isDeployed(one) &&
    isUpToDate(one, now);
  const { name, held } = one;
  return isIdle ? { name, outcome: "not due", due, held, pause: offOf(one) } : undefined;
}

/** What `apply` finds when there is nothing to do. */
export interface IdleConfig {
  readonly renewals: readonly Renewal[];
  /** Names whose entry is gone from the config. */
  readonly orphans: readonly string[];
  /** The certificate with the shortest lifetime. */
  readonly shortest: HeldCertificate | undefined;
}

/**
 * The same for what the config wants, one certificate after the other: ten thousand are not in memory at once. `remember`
 * saves what is not in the store. With `keepsHeld`, the renewals say what is held.
 */
export async function idleConfig(
  configured: Configured,
  { every, keepsHeld }: { readonly every: number | undefined; readonly keepsHeld: boolean },
  store: Store,
  now: Date,
  remember: (certificate: KnownCertificate) => Promise<void>,
): Promise<IdleConfig | "needs interval" | undefined> {
  const { requests, broken } = configured;
  if (broken.length > 0 || !(await isNothingOpen(store))) return undefined;
  const renewals = new Map<string, Renewal | undefined>(
    requests.map(({ name }) => [name, undefined]),
  );
  const orphans: string[] = [];
  let shortest: HeldCertificate | undefined;
  for await (const one of eachWanted(configured, store)) {
    if ("problem" in one) return undefined;
    if (one.isOrphan) orphans.push(one.name);
    if (one.isOrphan) continue;
    const renewal = idleOrNot(one, every, now);
    if (typeof renewal !== "object") return renewal;
    await remember(one);
    renewals.set(one.name, keepsHeld ? renewal : { ...renewal, held: undefined });
    shortest = shorter(shortest, one.held);
  }
  const all = [...renewals.values()].filter((one) => one !== undefined);
  return all.length === renewals.size ? { renewals: all, orphans, shortest } : undefined;
}

function idleOrNot(
  one: KnownCertificate,
  every: number | undefined,
  now: Date,
): Renewal | "needs interval" | undefined {
  if (every === undefined && needsInterval([one], now)) return "needs interval";
  return mayAskCa(one, now) ? undefined : idleRenewal(one, every, now);
}

/** True if no killed run has left an order or a hook to finish. */
export async function isNothingOpen({ journal, pendingHooks }: Store): Promise<boolean> {
  if ((await journal.names()).length > 0) return false;
  return Object.keys(await pendingHooks.list()).length === 0;
}
