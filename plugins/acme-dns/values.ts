/** The two TXT values of an account: who may set them, and when. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Log, Target } from "acmectl/plugin";
import { abortable, inTurns } from "acmectl/plugin/http";
import { targetOf, type Account } from "./accounts.ts";
import type { Api } from "./client.ts";
import { maxValues, tooManyNames } from "./errors.ts";

/** A name of the run with its account. */
export interface Delegation {
  readonly target: Target;
  readonly account: Account;
}

interface PendingValue extends Delegation {
  readonly value: string;
}

interface Publishing {
  readonly api: Api;
  readonly log: Log;
  readonly serverOf: (account: Account) => string;
}

/** Throws a Problem if more values are needed at once than an account serves. */
export function checkCapacity(delegations: readonly Delegation[]): void {
  for (const [, group] of Map.groupBy(delegations, ({ account }) => account.subdomain)) {
    const [first] = group;
    if (first === undefined || group.length <= maxValues) continue;
    const names = group.map(
      ({ target: { identifier, wildcard } }) => (wildcard ? "*." : "") + identifier.value,
    );
    throw tooManyNames(names, targetOf(first.account));
  }
}

/** acme-dns keeps times in whole seconds, so of two values set in one second it may replace the newer. Milliseconds. */
const updateInterval = 1_100;

/** Reserves all values of a call at once, then sets them account by account. */
export function publisher(settings: Publishing) {
  const bySubdomain = new Map<string, TxtValues>();
  const inTurn = inTurns();
  const valuesOf = (subdomain: string) => {
    const values = bySubdomain.get(subdomain) ?? txtValues();
    bySubdomain.set(subdomain, values);
    return values;
  };
  const publish = async (pending: readonly PendingValue[], signal: AbortSignal) => {
    checkCapacity(pending);
    const groups = [...Map.groupBy(pending, ({ account }) => account.subdomain)];
    // Always in the same order, so that two calls never wait for each other.
    for (const [subdomain, group] of groups.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const values = group.map(({ value }) => value);
      const onWait = () =>
        settings.log.info(
          `waiting for another order that uses the acme-dns account ${subdomain}, which serves ${maxValues} values`,
          { step: "present" },
        );
      await valuesOf(subdomain).reserve(values, signal, onWait);
    }
    await Promise.all(
      groups.map(async ([subdomain, group]) => {
        for (const one of group)
          await inTurn(subdomain, () => update(one, valuesOf(subdomain), settings, signal));
      }),
    );
  };
  const release = (value: string) => {
    for (const values of bySubdomain.values()) values.release(value);
  };
  return { publish, release };
}

/** A published value is not sent again: that would push out the other one. */
async function update(
  { account, value, target }: PendingValue,
  values: TxtValues,
  settings: Publishing,
  signal: AbortSignal,
): Promise<void> {
  if (values.published.has(value)) return;
  const { api, log } = settings;
  const server = settings.serverOf(account);
  const wait = values.updatedAt + updateInterval - performance.now();
  if (wait > 0) await sleep(wait, undefined, { signal });
  const answered = await api.update(server, account, value, signal);
  values.updatedAt = performance.now();
  values.published.add(value);
  if (answered) return;
  log.warn(
    `${server} did not answer the update for ${target.validationName}. It is not sent again, since that could push out another value; the DNS will show whether it arrived`,
    { step: "present", identifier: target.identifier.value },
  );
}

/**
 * An account serves the last two values that it was given; a third pushes out the oldest. So at most two are reserved at a
 * time, and a caller that needs two reserves both at once.
 */
type TxtValues = ReturnType<typeof txtValues>;

function txtValues() {
  const reserved = new Set<string>();
  const published = new Set<string>();
  let waiting: { values: readonly string[]; enter: () => void }[] = [];
  const fits = (values: readonly string[]) => new Set([...reserved, ...values]).size <= maxValues;
  const take = (values: readonly string[]) => {
    for (const value of values) reserved.add(value);
  };
  const admit = () => {
    for (let [first] = waiting; first !== undefined && fits(first.values); [first] = waiting) {
      take(first.values);
      waiting.shift();
      first.enter();
    }
  };
  return {
    /** Values that the server has, as far as this process knows. */
    published,
    /** Time of the last update by `performance.now`. */
    updatedAt: Number.NEGATIVE_INFINITY,
    /** Resolves when all of these are reserved; calls `onWait` if it has to wait. Rejects when the signal aborts. */
    async reserve(values: readonly string[], signal: AbortSignal, onWait: () => void) {
      signal.throwIfAborted();
      if (waiting.length === 0 && fits(values)) return take(values);
      onWait();
      const { promise, resolve: enter } = Promise.withResolvers<void>();
      waiting.push({ values, enter });
      await abortable(promise, signal).catch((error: unknown) => {
        waiting = waiting.filter((one) => one.enter !== enter);
        admit();
        throw error;
      });
    },
    /** Makes room for another value; does nothing for a value that is not reserved. */
    release(value: string) {
      reserved.delete(value);
      published.delete(value);
      admit();
    },
  };
}
