import type { Ca } from "../acme/acme.ts";
import { registerCommand } from "../acme/hints.ts";
import { createAccountKey } from "../acme/keys.ts";
import { signerOf } from "../acme/signer.ts";
import { asProblem, Problem } from "../problem.ts";
import type { Log } from "../plugin.ts";
import type { Store, StoredAccount } from "../state/store.ts";

export interface KeyTools {
  readonly ca: Ca;
  readonly store: Store;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Give the account a new key (RFC 8555 §7.3.5), `newKey` or one that is made now. It is on disk before it is sent to the CA, so an interrupted run loses no
 * key: the next use of the account finds out which of the two the CA knows. The caller holds the account's lock.
 */
export async function rollOver(
  account: StoredAccount,
  tools: KeyTools,
  newKey?: string,
): Promise<StoredAccount> {
  const { ca, store, log, signal } = tools;
  const settled = await settleRollover(account, tools);
  // What an earlier run began is what was asked for.
  if (account.nextKey !== undefined && settled.key === account.nextKey) return settled;
  const nextKey = newKey ?? (await createAccountKey());
  const begun = await store.accounts.beginRollover(settled, nextKey);
  try {
    await ca.session(signerOf(begun.key), begun.url).rollover(signerOf(nextKey), signal);
  } catch (error) {
    if (wasRefused(error) && (await hasOldKey(begun, tools)))
      await store.accounts.abandonRollover(begun);
    else log.warn("the CA may or may not have the new key; the next run will check");
    throw error;
  }
  // A proxy can answer with success as well, and the old key is gone after this.
  if (await isKnown(nextKey, tools)) return store.accounts.finishRollover(begun);
  throw new Problem("protocol", {
    title: "The CA does not have the new key",
    detail: `${account.directory} answered the key change with success, but does not know the new key. Both keys are kept.`,
    hint: "Run the command again: it first finds out which key the CA uses.",
  });
}

/** False also while that cannot be asked. */
async function hasOldKey({ key }: StoredAccount, tools: KeyTools): Promise<boolean> {
  try {
    return await isKnown(key, tools);
  } catch (error) {
    asProblem(error);
    return false;
  }
}

async function isKnown(key: string, { ca, signal }: KeyTools): Promise<boolean> {
  return (await ca.session(signerOf(key), undefined).find(signal)) !== undefined;
}

const step = { step: "account" };

/** The account with the one key that the CA knows: the next one first, then the old one. The caller holds the lock. */
export async function settleRollover(
  account: StoredAccount,
  tools: KeyTools,
): Promise<StoredAccount> {
  const { ca, store, log } = tools;
  if (account.nextKey === undefined) return account;
  if (await isKnown(account.nextKey, tools)) {
    log.info("the CA has the new key of an interrupted key change; acmectl uses it", step);
    return store.accounts.finishRollover(account);
  }
  if (await isKnown(account.key, tools)) {
    log.info("the CA does not have the new key of an interrupted key change; discarding it", step);
    return store.accounts.abandonRollover(account);
  }
  throw new Problem("refused", {
    title: "The CA knows neither key of the account",
    detail: `${account.directory} has no account for the key in ${account.where}, nor for the new key of an interrupted key change.`,
    hint: `If the CA was set up again, register the key again: ${registerCommand(ca.flags, { again: true })}`,
  });
}

/** The CA's answer that nothing was changed; after anything else the new key may be the account's. */
function wasRefused(error: unknown): boolean {
  if (!Problem.is(error)) return false;
  const { status = 0 } = error.document;
  // A web page with such a status is not the CA's answer.
  return error.is("refused") || (!error.is("protocol") && status >= 400 && status < 500);
}
