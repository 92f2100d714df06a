import { signerOf } from "../acme/signer.ts";
import type { Store, StoredAccount } from "../state/store.ts";
import type { Context } from "../context.ts";
import { withTools } from "../issuer/account.ts";
import type { FoundAccount, Left } from "./found.ts";
import type { TakeTools, Taking } from "./take.ts";

export interface TakenAccount {
  readonly account: FoundAccount;
  readonly outcome: "taken" | "updated" | "unchanged";
  /** The account that renewals at this CA will use. */
  readonly used: string;
}

/** Stores an account beside those that there are; the one that was used before stays in use. */
export async function takeAccount(
  account: FoundAccount,
  { dryRun }: Taking,
  { store, signal, wait }: TakeTools,
): Promise<TakenAccount> {
  if (dryRun) return judge(account, await store.accounts.ofDirectory(account.directory));
  const lock = await store.lock(`account:${account.directory}`, { wait, signal });
  try {
    const judged = judge(account, await store.accounts.ofDirectory(account.directory));
    if (judged.outcome !== "unchanged") await save(account, store);
    return judged;
  } finally {
    await lock.release();
  }
}

function judge(account: FoundAccount, kept: readonly StoredAccount[]): TakenAccount {
  const same = kept.find(({ id }) => id === account.id);
  const usable = kept.find(({ status = "valid" }) => status === "valid");
  const used = usable?.id ?? account.id;
  if (same === undefined) return { account, outcome: "taken", used };
  const lacking = same.url === undefined && account.url !== undefined;
  return { account, outcome: lacking ? "updated" : "unchanged", used };
}

async function save(account: FoundAccount, { accounts }: Store): Promise<void> {
  const { id, directory, key, contact, url } = account;
  const stored = await accounts.create({ id, directory, key, contact });
  if (url !== undefined) await accounts.update(stored, { url });
}

/** The account as its CA knows it (RFC 8555 §7.3.1), or why it is unusable. A failing network is a Problem. */
export async function checkAccount(
  account: FoundAccount,
  { caBundle }: { readonly caBundle: string | undefined },
  context: Context,
): Promise<FoundAccount | Left> {
  const { directory, key, source: what } = account;
  return withTools({ server: directory, agreeTos: false, caBundle }, context, async ({ ca }) => {
    const known = await ca.session(signerOf(key), undefined).find(context.signal);
    if (known === undefined)
      return { what, why: `${directory} does not know an account with its key` };
    if (known.status !== "valid")
      return { what, why: `its status at ${directory} is ${known.status}` };
    return { ...account, url: known.url, contact: known.contact };
  });
}
