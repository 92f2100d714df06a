import { readPrivateKey, thumbprint } from "../acme/keys.ts";
import { registerCommand } from "../acme/hints.ts";
import type { Account, AccountSession } from "../acme/acme.ts";
import { isCaProblem } from "../acme/problems.ts";
import { signerOf } from "../acme/signer.ts";
import type { IssuerSetting } from "../certificate.ts";
import { readSecret } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredAccount } from "../state/store.ts";
import type { Context } from "../context.ts";
import {
  openAccount,
  register,
  withAccountLock,
  type AccountTools,
  type OpenAccount,
} from "./open.ts";

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
  context: Context,
  tools: AccountTools,
): Promise<KnownAccount> {
  const chosen =
    accountKey === undefined ? tools : await withKey(accountKey, issuer, context, tools);
  const { stored, session, created } = again
    ? await withAccountLock(issuer.server, chosen, () => registerAgain(issuer, chosen))
    : await openAccount(issuer, chosen);
  return { stored, account: await session.read(tools.signal), created };
}

/**
 * The same tools for the account of a key of the user's, which is stored now; its account is found by the key alone (RFC
 * 8555 §7.3.1). Where the CA has none, it is registered when it is needed.
 */
export async function withKey<T extends AccountTools>(
  reference: string,
  issuer: IssuerSetting,
  context: Context,
  tools: T,
): Promise<T> {
  const { env, cwd: folder, mask, signal } = context;
  const named = context.sourceOf("accountKey");
  const sources = { env, folder, mask, signal, named, multiline: true };
  const pem = await readSecret(reference, sources);
  const { pem: key } = readPrivateKey(pem, `--account-key (${reference})`);
  const same = await accountOfKey(key, issuer, tools.store);
  if (same !== undefined) return { ...tools, accountId: same.id };
  const found = await tools.ca.session(signerOf(key), undefined).find(signal);
  const { id } = await keepFound(key, found, issuer, tools);
  return { ...tools, accountId: id };
}

/** Take an account over by its key alone (RFC 8555 §7.3.1), to be used before all others at this CA. */
export async function importAccount(
  key: string,
  issuer: IssuerSetting,
  tools: AccountTools,
): Promise<{ stored: StoredAccount; isNew: boolean }> {
  const { ca, store, clock, signal } = tools;
  const found = await ca.session(signerOf(key), undefined).find(signal);
  if (found === undefined) {
    throw new Problem("refused", {
      title: "The CA has no account for this key",
      detail: `${issuer.server} does not know this key, so there is no account to take over.`,
      hint: `Check that it is the right CA (--server, --staging). To register an account with this key: ${registerCommand(ca.flags)} --account-key file:PATH`,
    });
  }
  return withAccountLock(issuer.server, tools, async () => {
    const same = await accountOfKey(key, issuer, store);
    const stored =
      same !== undefined && thumbprint(same.key) === thumbprint(key)
        ? await store.accounts.update(same, { url: found.url, status: found.status })
        : await keepFound(key, found, issuer, tools);
    const chosenAt = clock.now().toISOString();
    return { stored: await store.accounts.update(stored, { chosenAt }), isNew: same === undefined };
  });
}

/** The stored account that has this key now, or was made with it. */
async function accountOfKey(key: string, { server }: IssuerSetting, { accounts }: Store) {
  const stored = await accounts.ofDirectory(server);
  const id = thumbprint(key);
  return stored.find((one) => thumbprint(one.key) === id) ?? stored.find((one) => one.id === id);
}

/** Store an account that was found by its key; one that has ended is a Problem. */
async function keepFound(
  key: string,
  found: Account | undefined,
  issuer: IssuerSetting,
  { ca, store }: AccountTools,
): Promise<StoredAccount> {
  const { server: directory } = issuer;
  if (found !== undefined && found.status !== "valid") {
    throw new Problem("refused", {
      detail: `The account of this key, ${found.url}, is ${found.status}.`,
      hint: `Give another key, or register a new account: ${registerCommand(ca.flags, { again: true })}`,
    });
  }
  const contact = found?.contact ?? [];
  const created = await store.accounts.create({ id: thumbprint(key), directory, key, contact });
  if (found === undefined) return created;
  return store.accounts.update(created, { url: found.url, status: found.status });
}

/**
 * For a CA that has lost the account, or ended it: the stored key is registered once more, and a new one where the CA does
 * not accept it any more. Done only when asked for: an account has limits, authorizations and a name in CAA records. The
 * caller holds the account's lock.
 */
async function registerAgain(issuer: IssuerSetting, tools: AccountTools): Promise<OpenAccount> {
  const { ca, store, log, signal, accountId } = tools;
  const all = await store.accounts.ofDirectory(issuer.server);
  const stored = all.find(({ id }) => accountId === undefined || id === accountId);
  if (stored === undefined || (stored.status ?? "valid") !== "valid") {
    return register(issuer, undefined, tools);
  }
  const known = await findEither(stored, tools);
  if (known?.url !== undefined && known.status === "valid") {
    const { key, url, status } = known;
    const kept = await keepKey(stored, key, store);
    const updated = await store.accounts.update(kept, { url, status });
    return { stored: updated, session: ca.session(signerOf(updated.key), url), created: false };
  }
  if (known === undefined) {
    return register(issuer, await keepKey(stored, stored.key, store), tools);
  }
  log.warn(`the account ${stored.url ?? stored.id} is ${known.status}; registering a new one`);
  await store.accounts.update(stored, { status: known.status });
  signal.throwIfAborted();
  return register(issuer, undefined, tools);
}

/** What the CA has for the next key of a change that was cut off, or for the key. */
async function findEither(stored: StoredAccount, { ca, signal }: AccountTools) {
  for (const key of [stored.nextKey, stored.key]) {
    if (key === undefined) continue;
    const found = await findEnded(ca.session(signerOf(key), undefined), signal);
    if (found !== undefined) return { key, ...found };
  }
  return undefined;
}

/** RFC 8555 §7.3.6: every request for a deactivated account is answered with `unauthorized`. */
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

async function keepKey(
  stored: StoredAccount,
  key: string,
  { accounts }: Store,
): Promise<StoredAccount> {
  if (stored.nextKey === undefined) return stored;
  return key === stored.key ? accounts.abandonRollover(stored) : accounts.finishRollover(stored);
}
