import { registerCommand } from "../acme/hints.ts";
import { traitsOf } from "../acme/presets.ts";
import { signerOf } from "../acme/signer.ts";
import type { IssuerSetting } from "../certificate.ts";
import { openStored, withAccountLock, type OpenAccount } from "../account/open.ts";
import { composeIssuer } from "../request/issuer.ts";
import { caFlags, openTools } from "./open.ts";
import type { IssueTools } from "../issue/tools.ts";
import type { directoryFlags } from "../options/declared/account.ts";
import type { OptionsOf } from "../options/declaration.ts";
import { Problem } from "../problem.ts";
import type { StoredAccount } from "../state/store.ts";
import type { Context } from "../context.ts";

type Flags = OptionsOf<typeof directoryFlags>;

/** The CA that an account command speaks to. */
export async function chosenCa(flags: Flags, context: Context): Promise<IssuerSetting> {
  const issuer = composeIssuer(flags, undefined, await context.config());
  if (!traitsOf(issuer.server).forgets) return issuer;
  throw new Problem("usage", {
    detail:
      "The embedded CA forgets its accounts when it ends, so account commands do not work with it.",
    hint: "Choose another CA with --server. To keep the embedded one running, start `acmectl test-ca`.",
  });
}

/** The stored account that is used with this CA; a Problem when there is none. */
export async function keptAccount(issuer: IssuerSetting, context: Context): Promise<StoredAccount> {
  const store = await context.store();
  const { server } = issuer;
  const [stored] = await store.accounts.ofDirectory(server);
  if (stored !== undefined) return stored;
  throw new Problem("usage", {
    detail: `There is no account with ${server} in ${store.where}.`,
    hint: `List the accounts with \`acmectl account list\`, or register one: ${registerCommand(caFlags(issuer))}`,
  });
}

/** The same, for commands that change it: a registered account that has not ended. */
export async function usableAccount(
  issuer: IssuerSetting,
  context: Context,
): Promise<StoredAccount> {
  const stored = await keptAccount(issuer, context);
  if (stored.url === undefined) {
    throw new Problem("usage", {
      detail: `The account in ${stored.where} is not registered yet.`,
      hint: `Register it: ${registerCommand(caFlags(issuer))}`,
    });
  }
  if ((stored.status ?? "valid") === "valid") return stored;
  throw new Problem("usage", {
    detail: `The account ${stored.url} is ${stored.status}.`,
    hint: `Register a new one: ${registerCommand(caFlags(issuer), { again: true })}`,
  });
}

/** An account without its keys, for machines. */
export function accountDocument(stored: StoredAccount) {
  const { key: _key, nextKey: _next, keyThumbprints: _, where, ...account } = stored;
  return { ...account, path: where };
}

/** Email addresses without `mailto:`; empty without any. */
export function addressesOf(contact: readonly string[]): string {
  return contact.map((one) => one.replace("mailto:", "")).join(", ");
}

/** What an account command works with. */
export interface AccountWork {
  readonly issuer: IssuerSetting;
  readonly context: Context;
  readonly tools: IssueTools;
}

/** Open the tools of the CA that the flags choose, do `work`, close them. */
export async function withAccount<T>(
  flags: Flags,
  context: Context,
  work: (opened: AccountWork) => Promise<T>,
): Promise<T> {
  const issuer = await chosenCa(flags, context);
  return withTools(issuer, context, (tools) => work({ issuer, context, tools }));
}

/** Open the tools of a CA, do `work`, close them. */
export async function withTools<T>(
  issuer: IssuerSetting,
  context: Context,
  work: (tools: IssueTools) => Promise<T>,
): Promise<T> {
  const tools = await openTools(issuer, [], context, { store: await context.store() });
  try {
    return await work(tools);
  } finally {
    await tools.close();
  }
}

/** Change the account that is used: no other run does so meanwhile, and a change of its key that was cut off is ended first. */
export async function changeAccount<T>(
  { issuer, context, tools }: AccountWork,
  work: (open: OpenAccount) => Promise<T>,
): Promise<T> {
  const settled = await openStored(await usableAccount(issuer, context), tools);
  return withAccountLock(issuer.server, tools, async () => {
    const now = await usableAccount(issuer, context);
    const session =
      now.key === settled.stored.key
        ? settled.session
        : tools.ca.session(signerOf(now.key), now.url);
    return work({ stored: now, session, created: false });
  });
}
