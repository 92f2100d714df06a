import type { AccountSession, Directory } from "../acme/acme.ts";
import { createAccountKey, thumbprint } from "../acme/keys.ts";
import type { IssuerSetting } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { StoredAccount } from "../store/store.ts";
import type { IssueTools } from "./tools.ts";

export interface OpenAccount {
  readonly stored: StoredAccount;
  readonly session: AccountSession;
  /** True when this run registered it. */
  readonly created: boolean;
}

/**
 * The account on the issuer's CA: the one that is stored, else a new one. A new key is on disk before the CA hears of it
 * (RFC 8555 §7.3), under the account's lock, so that two first runs make one account.
 */
export async function openAccount(issuer: IssuerSetting, tools: IssueTools): Promise<OpenAccount> {
  const known = await usableAccount(issuer, tools);
  if (known?.url !== undefined && issuer.server !== "local") {
    return { stored: known, session: tools.ca.session(known.key, known.url), created: false };
  }
  const { store, log, timeouts, signal } = tools;
  const lock = await store.lock(`account:${issuer.server}`, {
    wait: timeouts.lock,
    signal,
    onWait: (holder) =>
      log.info(`waiting for ${holder}, which registers the account`, { step: "account" }),
  });
  try {
    return await register(issuer, tools);
  } finally {
    await lock.release();
  }
}

async function register(issuer: IssuerSetting, tools: IssueTools): Promise<OpenAccount> {
  const { ca, store, log, signal } = tools;
  const stored = await usableAccount(issuer, tools);
  if (stored?.url !== undefined && issuer.server !== "local") {
    return { stored, session: ca.session(stored.key, stored.url), created: false };
  }
  const directory = await ca.directory(signal);
  checkConsent(issuer, directory, tools);
  const contact = issuer.email === undefined ? [] : [`mailto:${issuer.email}`];
  const account = stored ?? (await newStoredAccount(issuer, contact, tools));
  const session = ca.session(account.key, undefined);
  log.info(`registering an account with ${issuer.server}`, { step: "account" });
  const registered = await session.register(
    { contact, termsOfServiceAgreed: issuer.agreeTos, eab: tools.eab },
    signal,
  );
  const saved = await store.accounts.update(account, {
    url: registered.url,
    status: registered.status,
    contact: registered.contact,
    ...(directory.meta.termsOfService === undefined
      ? {}
      : { termsOfServiceAgreed: directory.meta.termsOfService }),
  });
  return { stored: saved, session, created: true };
}

async function usableAccount(
  issuer: IssuerSetting,
  { store, accountId }: IssueTools,
): Promise<StoredAccount | undefined> {
  const stored = await store.accounts.ofDirectory(issuer.server);
  const accounts = stored.filter(({ id }) => accountId === undefined || id === accountId);
  const usable = accounts.filter(({ status }) => status === undefined || status === "valid");
  if (accounts.length > 0 && usable.length === 0) {
    throw new Problem("refused", {
      title: "The account is not usable",
      detail: `The account ${accounts[0]?.url ?? accounts[0]?.id} on ${issuer.server} is ${accounts[0]?.status}, and no other is stored.`,
      hint: "Register a new one: acmectl account register --agree-tos.",
    });
  }
  return usable[0];
}

async function newStoredAccount(
  issuer: IssuerSetting,
  contact: readonly string[],
  { store }: IssueTools,
) {
  const key = await createAccountKey();
  return store.accounts.create({ id: thumbprint(key), directory: issuer.server, key, contact });
}

/** What the CA wants before newAccount, checked before any key exists (RFC 8555 §7.3.3, §7.3.4). */
function checkConsent(issuer: IssuerSetting, { meta }: Directory, tools: IssueTools): void {
  if (meta.termsOfService !== undefined && !issuer.agreeTos) {
    throw new Problem("usage", {
      title: "The CA's terms of service are not agreed to",
      detail: `${issuer.server} registers accounts only for those who agree to its terms of service: ${meta.termsOfService}`,
      hint: "Read them, then add --agree-tos (or ACMECTL_AGREE_TOS=true, or agreeTos: true at the issuer in the config).",
    });
  }
  if (meta.externalAccountRequired && tools.eab === undefined) {
    throw new Problem("usage", {
      title: "The CA wants an external account binding",
      detail: `${issuer.server} registers accounts only with a key id and an HMAC key that it hands out to its customers${meta.website === undefined ? "" : ` (${meta.website})`}.`,
      hint: "Get them from the CA's web site, then give --eab-kid ID and ACMECTL_EAB_HMAC=KEY (or --eab-hmac file:/path).",
    });
  }
}
