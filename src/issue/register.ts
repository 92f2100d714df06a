import { readPrivateKey, thumbprint } from "../acme/keys.ts";
import type { Account } from "../acme/acme.ts";
import type { IssuerSetting } from "../certificate.ts";
import { readSecret } from "../options/secret.ts";
import { Problem } from "../problem.ts";
import type { StoredAccount } from "../store/store.ts";
import type { Ambient } from "./ambient.ts";
import { openAccount } from "./account.ts";
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
  accountKey: string | undefined,
  ambient: Ambient,
  tools: IssueTools,
): Promise<KnownAccount> {
  const chosen =
    accountKey === undefined ? tools : await withKey(accountKey, issuer, ambient, tools);
  const { stored, session, created } = await openAccount(issuer, chosen);
  return { stored, account: await session.read(tools.signal), created };
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
  const stored = await tools.store.accounts.ofDirectory(issuer.server);
  if (stored.some((account) => account.id === id)) return { ...tools, accountId: id };
  const found = await tools.ca.session(key, undefined).find(signal);
  if (found !== undefined && found.status !== "valid") {
    throw new Problem("refused", {
      detail: `The account of this key, ${found.url}, is ${found.status}.`,
      hint: "Give another key, or leave --account-key out to make a new account.",
    });
  }
  const created = await tools.store.accounts.create({
    id,
    directory: issuer.server,
    key,
    contact: found?.contact ?? [],
  });
  if (found !== undefined)
    await tools.store.accounts.update(created, { url: found.url, status: found.status });
  return { ...tools, accountId: id };
}
