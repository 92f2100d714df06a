import type { Account, AccountSession } from "../acme/acme.ts";
import { isCaProblem } from "../acme/problems.ts";
import type { IssuerSetting } from "../certificate.ts";
import type { Store, StoredAccount } from "../state/store.ts";
import { register, type AccountTools, type OpenAccount } from "./open.ts";

/**
 * For a CA that has lost the account, or ended it: the stored key is registered once more, and a new one where the CA takes
 * it no longer. Never done unasked, for an account has limits, authorizations and a name in CAA records. The caller holds
 * the account's lock.
 */
export async function registerAgain(
  issuer: IssuerSetting,
  tools: AccountTools,
): Promise<OpenAccount> {
  const { ca, store, log, signal, accountId } = tools;
  const all = await store.accounts.ofDirectory(issuer.server);
  const stored = all.find(({ id }) => accountId === undefined || id === accountId);
  if (stored === undefined || isEnded(stored)) return register(issuer, undefined, tools);
  const known = await findEither(stored, tools);
  if (known?.url !== undefined && known.status === "valid") {
    const { key, url, status } = known;
    const kept = await keepKey(stored, key, store);
    const updated = await store.accounts.update(kept, { url, status });
    return { stored: updated, session: ca.session(updated.key, url), created: false };
  }
  if (known === undefined) {
    return register(issuer, await keepKey(stored, stored.key, store), tools);
  }
  log.warn(`the account ${stored.url ?? stored.id} is ${known.status}: a new one is made`);
  await store.accounts.update(stored, { status: known.status });
  signal.throwIfAborted();
  return register(issuer, undefined, tools);
}

/** What the CA has for the next key of a change that was cut off, or for the key. */
async function findEither(stored: StoredAccount, { ca, signal }: AccountTools) {
  for (const key of [stored.nextKey, stored.key]) {
    if (key === undefined) continue;
    const found = await findEnded(ca.session(key, undefined), signal);
    if (found !== undefined) return { key, ...found };
  }
  return undefined;
}

/** RFC 8555 §7.3.6: a deactivated account is answered with `unauthorized`, whatever is asked. */
async function findEnded(
  session: AccountSession,
  signal: AbortSignal,
): Promise<(Partial<Account> & Pick<Account, "status">) | undefined> {
  try {
    return await session.find(signal);
  } catch (error) {
    if (isCaProblem(error, "unauthorized")) return { status: "deactivated" };
    throw error;
  }
}

function keepKey(stored: StoredAccount, key: string, { accounts }: Store): Promise<StoredAccount> {
  if (stored.nextKey === undefined) return Promise.resolve(stored);
  return key === stored.key ? accounts.abandonRollover(stored) : accounts.finishRollover(stored);
}

function isEnded({ status = "valid" }: StoredAccount): boolean {
  return status !== "valid";
}
