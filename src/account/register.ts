import { registerCommand } from "./suggest.ts";
import { readPrivateKey, thumbprint } from "../acme/keys.ts";
import type { Account } from "../acme/acme.ts";
import type { IssuerSetting } from "../certificate.ts";
import { readSecret } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredAccount } from "../state/store.ts";
import type { Context } from "../context.ts";
import { openAccount, withAccountLock, type AccountTools } from "./open.ts";
import { registerAgain } from "./reregister.ts";

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
 * The same tools for the account of a key of the user's, which becomes a stored one; its account is found by the key alone (RFC
 * 8555 §7.3.1). Where the CA knows none, it is registered when it is needed.
 */
export async function withKey<T extends AccountTools>(
  reference: string,
  issuer: IssuerSetting,
  context: Context,
  tools: T,
): Promise<T> {
  const { env, cwd, mask, signal } = context;
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
export async function accountOfKey(id: string, { server }: IssuerSetting, { accounts }: Store) {
  const stored = await accounts.ofDirectory(server);
  return (
    stored.find(({ key }) => thumbprint(key) === id) ?? stored.find((account) => account.id === id)
  );
}

/** Store an account that was found by its key; one that has ended is a Problem. */
export async function keepFound(
  key: string,
  found: Account | undefined,
  issuer: IssuerSetting,
  { store }: Pick<AccountTools, "store">,
): Promise<StoredAccount> {
  const { server: directory } = issuer;
  if (found !== undefined && found.status !== "valid") {
    throw new Problem("refused", {
      detail: `The account of this key, ${found.url}, is ${found.status}.`,
      hint: `Give another key, or register a new account: ${registerCommand(issuer, { again: true })}`,
    });
  }
  const contact = found?.contact ?? [];
  const created = await store.accounts.create({ id: thumbprint(key), directory, key, contact });
  if (found === undefined) return created;
  return store.accounts.update(created, { url: found.url, status: found.status });
}
