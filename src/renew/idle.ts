import { isDeployed } from "../deploy/steps.ts";
import { isUpToDate } from "../issue/dane/up-to-date.ts";
import type { Store } from "../state/store.ts";
import type { Certificates, KnownCertificate } from "../status/certificates.ts";
import { alternatesFrom } from "../status/alternates.ts";
import { dueOf, offOf } from "../status/due.ts";
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
  { certificates, broken }: Certificates,
  { force, every }: Pick<RenewOptions, "force" | "every">,
  store: Store,
  now: Date,
  turns: ReadonlySet<string> = turnsToAsk(certificates, every, now),
): Promise<readonly Renewal[] | undefined> {
  if (force || broken.length > 0) return undefined;
  const due = new Map(certificates.map((one) => [one, dueOf(one, now, every)]));
  const isIdle = [...due].every(
    ([one, { at }]) =>
      at > now &&
      !(turns.has(one.name) && mayAskCa(one, now)) &&
      (alternatesFrom(one, now) ?? at) > now &&
      isDeployed(one) &&
      isUpToDate(one, now),
  );
  if (!isIdle || !(await isNothingOpen(store))) return undefined;
  return [...due].map(([one, due]) => {
    const { name, held } = one;
    return { name, outcome: "not due", due, held, pause: offOf(one) };
  });
}

/** True if no killed run has left an order or a hook to finish. */
export async function isNothingOpen({ journal, pendingHooks }: Store): Promise<boolean> {
  if ((await journal.names()).length > 0) return false;
  return Object.keys(await pendingHooks.list()).length === 0;
}
