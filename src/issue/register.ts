import { readPrivateKey, thumbprint } from "../acme/keys.ts";
import { isCaProblem } from "../acme/problems.ts";
import type { Account, AccountSession } from "../acme/acme.ts";
import type { IssuerSetting } from "../certificate.ts";
import { readSecret } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredAccount } from "../store/store.ts";
import type { Ambient } from "./ambient.ts";
import { enroll, openAccount, withAccountLock, type OpenAccount } from "./account.ts";
import type { IssueTools } from "./tools.ts";

/** The account as it is stored and as the CA has it. */
export interface KnownAccount {
  readonly stored: StoredAccount;
  readonly account: Account;
  readonly created: boolean;
}

/** Register, or find what is registered already: with the stored key, a new one, or the one that `accountKey` refers to. */
export async function registerAccount(
  issuer: IssuerSetting,
  { accountKey, again }: { accountKey?: string | undefined; again: boolean },
  ambient: Ambient,
  tools: IssueTools,
): Promise<KnownAccount> {
  const chosen =
    accountKey === undefined ? tools : await withKey(accountKey, issuer, ambient, tools);
  const { stored, session, created } = again
    ? await withAccountLock(issuer.server, chosen, () => registerAgain(issuer, chosen))
    : await openAccount(issuer, chosen);
  return { stored, account: await session.read(tools.signal), created };
}

/**
 * For a CA that has lost the account, or ended it: the stored key is registered once more, and a new one where the CA takes
 * it no longer. Never done unasked, for an account has limits, authorizations and a name in CAA records. The caller holds
 * the account's lock.
 */
async function registerAgain(issuer: IssuerSetting, tools: IssueTools): Promise<OpenAccount> {
  const { ca, store, log, signal, accountId } = tools;
  const all = await store.accounts.ofDirectory(issuer.server);
  const stored = all.find(({ id }) => accountId === undefined || id === accountId);
  if (stored === undefined || isEnded(stored)) return enroll(issuer, undefined, tools);
  const known = await findEither(stored, tools);
  if (known !== undefined && known.status === "valid") {
    const { key, url, status } = known;
    const kept = await keepKey(stored, key, store);
    const updated = await store.accounts.update(kept, { url, status });
    return { stored: updated, session: ca.session(updated.key, url), created: false };
  }
  if (known === undefined) {
    return enroll(issuer, await keepKey(stored, stored.key, store), tools);
  }
  log.warn(`the account ${stored.url ?? stored.id} is ${known.status}: a new one is made`);
  await store.accounts.update(stored, { status: known.status });
  signal.throwIfAborted();
  return enroll(issuer, undefined, tools);
}

/** What the CA has for the next key of a change that was cut off, or for the key. */
async function findEither(stored: StoredAccount, { ca, signal }: IssueTools) {
  for (const key of [stored.nextKey, stored.key]) {
    if (key === undefined) continue;
    const found = await findEnded(ca.session(key, undefined), signal);
    if (found !== undefined) return { key, ...found };
  }
  return undefined;
}

/** RFC 8555 §7.3.6: a deactivated account is answered with `unauthorized`, whatever is asked. */
async function findEnded(session: AccountSession, signal: AbortSignal) {
  try {
    return await session.find(signal);
  } catch (error) {
    if (isCaProblem(error, "unauthorized")) return { url: undefined, status: "deactivated" };
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

/**
 * The same tools for the account of a key of the user's, which becomes a stored one; its account is found by the key alone (RFC
 * 8555 §7.3.1). Where the CA knows none, it is registered when it is needed.
 */
export async function withKey(
  reference: string,
  issuer: IssuerSetting,
  ambient: Ambient,
  tools: IssueTools,
): Promise<IssueTools> {
  const { env, cwd, mask, signal } = ambient;
  const pem = await readSecret(reference, { env, folder: cwd, mask, signal, multiline: true });
  const { pem: key } = readPrivateKey(pem, `--account-key (${reference})`);
  const id = thumbprint(key);
  const same = await accountOfKey(id, issuer, tools.store);
  if (same !== undefined) return { ...tools, accountId: same.id };
  const found = await tools.ca.session(key, undefined).find(signal);
  await keepFound(key, found, issuer, tools);
  return { ...tools, accountId: id };
}

/** The stored account that has this key now, or was made with it. */
async function accountOfKey(id: string, { server }: IssuerSetting, { accounts }: Store) {
  const stored = await accounts.ofDirectory(server);
  return (
    stored.find(({ key }) => thumbprint(key) === id) ?? stored.find((account) => account.id === id)
  );
}

async function keepFound(
  key: string,
  found: Account | undefined,
  { server: directory }: IssuerSetting,
  { store }: Pick<IssueTools, "store">,
): Promise<StoredAccount> {
  if (found !== undefined && found.status !== "valid") {
    throw new Problem("refused", {
      detail: `The account of this key, ${found.url}, is ${found.status}.`,
      hint: "Give another key, or make a new account: acmectl account register --reregister.",
    });
  }
  const contact = found?.contact ?? [];
  const created = await store.accounts.create({ id: thumbprint(key), directory, key, contact });
  if (found === undefined) return created;
  return store.accounts.update(created, { url: found.url, status: found.status });
}

/** Take an account over by its key alone (RFC 8555 §7.3.1), to be used before all others at this CA. */
export async function importAccount(
  key: string,
  issuer: IssuerSetting,
  tools: IssueTools,
): Promise<{ stored: StoredAccount; isNew: boolean }> {
  const { ca, store, clock, signal } = tools;
  const found = await ca.session(key, undefined).find(signal);
  if (found === undefined) {
    throw new Problem("refused", {
      title: "The CA has no account for this key",
      detail: `${issuer.server} does not know this key, so there is no account to take over.`,
      hint: "Is it the right CA (--server, --staging)? To make an account with this key: acmectl account register --account-key file:PATH.",
    });
  }
  return withAccountLock(issuer.server, tools, async () => {
    const same = await accountOfKey(thumbprint(key), issuer, store);
    const stored =
      same !== undefined && thumbprint(same.key) === thumbprint(key)
        ? await store.accounts.update(same, { url: found.url, status: found.status })
        : await keepFound(key, found, issuer, tools);
    const chosenAt = clock.now().toISOString();
    return { stored: await store.accounts.update(stored, { chosenAt }), isNew: same === undefined };
  });
}
