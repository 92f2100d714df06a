import type { AccountSession, Directory, ExternalAccountBinding } from "../acme/acme.ts";
import { registerCommand } from "../acme/hints.ts";
import { presetOf, traitsOf } from "../acme/presets.ts";
import { bindingHint } from "../acme/registration.ts";
import { createAccountKey, thumbprint } from "../acme/keys.ts";
import { signerOf } from "../acme/signer.ts";
import type { IssuerSetting } from "../certificate.ts";
import type { Clock } from "../clock.ts";
import { quotedWord } from "../options/words.ts";
import { Problem } from "../problem.ts";
import type { StoredAccount } from "../state/store.ts";
import { settleRollover, type KeyTools } from "./rollover.ts";

/** What work on accounts needs of a run's tools. */
export interface AccountTools extends KeyTools {
  readonly clock: Clock;
  /** Milliseconds to wait for another run that holds a lock; 0 gives up at once. */
  readonly lockTimeout: number;
  /** Read from its reference by now; absent where the CA requires none. */
  readonly eab?: ExternalAccountBinding | undefined;
  /** Gets one from the CA's website, for a new account where none is given. */
  readonly fetchEab?: (() => Promise<ExternalAccountBinding>) | undefined;
  /** Of the account to use; the first usable one when absent. */
  readonly accountId?: string | undefined;
  /** Asks the person at the terminal whether they agree to these terms. Absent without a terminal. */
  readonly askConsent?: ((terms: string) => Promise<boolean>) | undefined;
}

export interface OpenAccount {
  readonly stored: StoredAccount;
  readonly session: AccountSession;
  readonly created: boolean;
}

/**
 * The account on the issuer's CA: the one that is stored, else a new one. A new key is on disk before it is sent to
 * the CA (RFC 8555 §7.3), under the account's lock, so that two first runs make one account.
 */
export async function openAccount(
  issuer: IssuerSetting,
  tools: AccountTools,
): Promise<OpenAccount> {
  const known = await usableAccount(issuer, tools);
  if (isRegistered(known, issuer) && known.nextKey === undefined) return openKnown(known, tools);
  return withAccountLock(issuer.server, tools, async () => {
    const stored = await usableAccount(issuer, tools);
    if (!isRegistered(stored, issuer)) return register(issuer, stored, tools);
    return openKnown(await settleRollover(stored, tools), tools);
  });
}

/** Do `work` while no other run registers or changes an account on this CA. */
export async function withAccountLock<T>(
  directory: string,
  { store, log, lockTimeout, signal }: AccountTools,
  work: () => Promise<T>,
): Promise<T> {
  const lock = await store.lock(`account:${directory}`, {
    wait: lockTimeout,
    signal,
    onWait: (holder) =>
      log.info(`waiting for ${holder}, which is working on the account`, { step: "account" }),
  });
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

/** A stored account as it is used: a change of its key that was cut off is ended first. */
export async function openStored(stored: StoredAccount, tools: AccountTools): Promise<OpenAccount> {
  if (stored.nextKey === undefined) return openKnown(stored, tools);
  return withAccountLock(stored.directory, tools, async () => {
    const accounts = await tools.store.accounts.ofDirectory(stored.directory);
    const now = accounts.find(({ id }) => id === stored.id) ?? stored;
    return openKnown(await settleRollover(now, tools), tools);
  });
}

/** An address given for an account that has another one changes nothing: say so, with the command that would. */
export async function reportOtherContact(
  email: string,
  { server }: IssuerSetting,
  { ca, store, log, accountId }: AccountTools,
): Promise<void> {
  const stored = await store.accounts.ofDirectory(server);
  const account = stored.find(({ id }) => accountId === undefined || id === accountId);
  if (account?.url === undefined) return;
  const { contact } = account;
  if (contact.some((one) => isSameAddress(one, email))) return;
  const known = contact.join(", ").replaceAll("mailto:", "");
  // Some CAs return no addresses, so that none may be known.
  const has = known === "" ? "is stored without an address" : `has the address ${known}`;
  log.warn(
    `the account with ${server} ${has}, and --email ${email} does not change it; to change it: acmectl account update ${ca.flags} --email ${quotedWord(email)}`,
  );
}

/** The host in an address is case-insensitive (RFC 5321 §2.4). */
function isSameAddress(contact: string, email: string): boolean {
  const [one, other] = [contact, email].map((text) =>
    text.replace(/^mailto:/i, "").replace(/@.*$/, (host) => host.toLowerCase()),
  );
  return one === other;
}

function openKnown(stored: StoredAccount, { ca }: AccountTools): OpenAccount {
  return { stored, session: ca.session(signerOf(stored.key), stored.url), created: false };
}

/** The embedded CA forgets its accounts when it ends. */
function isRegistered(
  stored: StoredAccount | undefined,
  { server }: IssuerSetting,
): stored is StoredAccount {
  return stored?.url !== undefined && !traitsOf(server).forgets;
}

/** Register a stored key, or a new one. For a key that the CA knows it returns its account. The caller holds the lock. */
export async function register(
  issuer: IssuerSetting,
  stored: StoredAccount | undefined,
  tools: AccountTools,
): Promise<OpenAccount> {
  const { ca, store, log, signal } = tools;
  const directory = await ca.directory(signal);
  const termsOfServiceAgreed = await consentTo(directory, issuer, tools);
  assertBinding(issuer, directory, tools);
  const contact = issuer.email === undefined ? [] : [`mailto:${issuer.email}`];
  const account = stored ?? (await newStoredAccount(issuer, contact, tools));
  const session = ca.session(signerOf(account.key), undefined);
  log.info(`registering an account with ${issuer.server}`, { step: "account" });
  if (presetOf(issuer.server)?.demands?.binding === "once")
    log.info("this uses the external account binding up: keep the account's key", {
      step: "account",
    });
  const isBound = directory.meta.externalAccountRequired;
  const eab = tools.eab ?? (isBound ? await tools.fetchEab?.() : undefined);
  const registered = await session.register({ contact, termsOfServiceAgreed, eab }, signal);
  const saved = await store.accounts.update(account, {
    url: registered.url,
    status: registered.status,
    contact: registered.contact.length > 0 ? registered.contact : contact,
    termsOfServiceAgreed: directory.meta.termsOfService ?? account.termsOfServiceAgreed,
  });
  return { stored: saved, session, created: true };
}

async function usableAccount(
  issuer: IssuerSetting,
  { ca, store, accountId }: AccountTools,
): Promise<StoredAccount | undefined> {
  const stored = await store.accounts.ofDirectory(issuer.server);
  const accounts = stored.filter(({ id }) => accountId === undefined || id === accountId);
  const usable = accounts.filter(({ status }) => status === undefined || status === "valid");
  if (accounts.length > 0 && usable.length === 0) {
    throw new Problem("refused", {
      title: "The account is not usable",
      detail: `The account ${accounts[0]?.url ?? accounts[0]?.id} on ${issuer.server} is ${accounts[0]?.status}, and no other is stored.`,
      hint: `Register a new one: ${registerCommand(ca.flags, { again: true })}`,
    });
  }
  return usable[0];
}

async function newStoredAccount(
  issuer: IssuerSetting,
  contact: readonly string[],
  { store }: AccountTools,
) {
  const key = await createAccountKey();
  return store.accounts.create({ id: thumbprint(key), directory: issuer.server, key, contact });
}

/** Whether the terms are agreed to; checked, like the binding, before any key exists (RFC 8555 §7.3.3). */
async function consentTo(
  { meta }: Directory,
  { server, agreeTos }: IssuerSetting,
  { askConsent }: AccountTools,
): Promise<boolean> {
  if (agreeTos || meta.termsOfService === undefined) return agreeTos;
  if ((await askConsent?.(meta.termsOfService)) === true) return true;
  throw new Problem("usage", {
    title: "The CA's terms of service were not agreed to",
    detail: `${server} requires agreement to its terms of service: ${meta.termsOfService}`,
    hint: "Read them, then add --agree-tos (or ACMECTL_AGREE_TOS=true, or agreeTos: true at the issuer in the config).",
  });
}

/** RFC 8555 §7.3.4 */
function assertBinding({ server }: IssuerSetting, { meta }: Directory, tools: AccountTools): void {
  const hasBinding = tools.eab !== undefined || tools.fetchEab !== undefined;
  if (!meta.externalAccountRequired || hasBinding) return;
  throw new Problem("usage", {
    title: "The CA requires an external account binding",
    detail: `${server} registers accounts only with a key id and an HMAC key from its website${meta.website === undefined ? "" : ` (${meta.website})`}.`,
    hint: bindingHint(server),
  });
}
