import { thumbprint } from "../acme/keys.ts";
import type { IssuerSetting } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { StoredAccount } from "../state/store.ts";
import { withAccountLock, type AccountTools } from "./open.ts";
import { registerCommand } from "./suggest.ts";
import { accountOfKey, keepFound } from "./register.ts";

/** Take an account over by its key alone (RFC 8555 §7.3.1), to be used before all others at this CA. */
export async function importAccount(
  key: string,
  issuer: IssuerSetting,
  tools: AccountTools,
): Promise<{ stored: StoredAccount; isNew: boolean }> {
  const { ca, store, clock, signal } = tools;
  const found = await ca.session(key, undefined).find(signal);
  if (found === undefined) {
    throw new Problem("refused", {
      title: "The CA has no account for this key",
      detail: `${issuer.server} does not know this key, so there is no account to take over.`,
      hint: `Is it the right CA (--server, --staging)? To make an account with this key: ${registerCommand(issuer)} --account-key file:PATH`,
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
