/** The certificates that a run has something to do for, found by the index of a shared state. */
import type { Context } from "../context.ts";
import type { BrokenCertificate, Store, StoredCertificate } from "../state/store.ts";
import { isFirstAttempt, orBroken, type Certificates } from "../status/certificates.ts";
import { month } from "./idle.ts";

export interface DueByIndex {
  readonly named: Certificates;
  /** Of the schedule, in milliseconds. */
  readonly every: number;
  /** The first that falls due after them. */
  readonly next: { readonly name: string; readonly at: string };
}

/** Undefined if the state has no index, or if nothing falls due later. Then the run reads all certificates. */
export async function dueByIndex(
  given: number | undefined,
  store: Store,
  { clock }: Pick<Context, "clock">,
  intervalHere: () => Promise<number>,
): Promise<DueByIndex | undefined> {
  const { certificates, journal } = store;
  const now = clock.now();
  const first = await certificates.nextDue(now);
  if (first === undefined) return undefined;
  const isNear = first.at.getTime() < now.getTime() + month;
  const every = given ?? (isNear ? await intervalHere() : 0);
  const end = new Date(now.getTime() + every + 1);
  const found = await Array.fromAsync(
    certificates.due({ due: end, look: new Date(now.getTime() + 1) }),
  );
  // A killed run left an order, and what it had presented.
  for (const name of await journal.names()) {
    if (found.some((one) => one.name === name)) continue;
    const one = await orBroken(name, () => certificates.read(name));
    if (one !== undefined) found.push(one);
  }
  const next = every === 0 ? first : ((await certificates.nextDue(end)) ?? first);
  const total = found.length > few ? await certificates.count() : undefined;
  return {
    named: { ...sorted(found), total },
    every,
    next: { ...next, at: next.at.toISOString() },
  };
}

/** For fewer, the share of all that they are does not matter. */
const few = 100;

function sorted(found: readonly (StoredCertificate | BrokenCertificate)[]): Certificates {
  return {
    certificates: found.flatMap((one) => ("problem" in one || isFirstAttempt(one) ? [] : [one])),
    broken: found.flatMap((one) => ("problem" in one ? [one] : [])),
  };
}
