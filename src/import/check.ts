import type { Context } from "../context.ts";
import { openTools } from "../issuer/open.ts";
import type { FoundAccount, Left } from "./found.ts";

/** The account as its CA knows it (RFC 8555 §7.3.1), or why it is of no use. A failing network is a Problem. */
export async function checkAccount(
  account: FoundAccount,
  { caBundle }: { readonly caBundle: string | undefined },
  context: Context,
): Promise<FoundAccount | Left> {
  const store = await context.store();
  const issuer = {
    server: account.directory,
    agreeTos: false,
    caBundle,
  };
  const tools = await openTools(issuer, [], context, { store });
  try {
    const known = await tools.ca.session(account.key, undefined).find(context.signal);
    if (known === undefined) {
      return {
        what: account.source,
        why: `${account.directory} does not know an account with its key`,
      };
    }
    if (known.status !== "valid") {
      return { what: account.source, why: `its status at ${account.directory} is ${known.status}` };
    }
    return { ...account, url: known.url, contact: known.contact };
  } finally {
    await tools.close();
  }
}
