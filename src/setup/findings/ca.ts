import type { Context } from "../../context.ts";
import type { IssuerSetting } from "../../certificate.ts";
import { isEmbedded } from "../../acme/presets.ts";
import { withTools } from "../../issuer/account.ts";

/** What the directory of a CA says of accounts. */
export interface FoundCa {
  /** The link to its terms of service. */
  readonly terms?: string | undefined;
  /** It requires an external account binding. */
  readonly bound: boolean;
  readonly website?: string | undefined;
  /** An account with it is stored already. */
  readonly hasAccount: boolean;
}

export async function findCa(issuer: IssuerSetting, context: Context): Promise<FoundCa> {
  if (isEmbedded(issuer.server)) return { bound: false, hasAccount: true };
  const { accounts } = await context.store();
  const stored = await accounts.ofDirectory(issuer.server);
  const hasAccount = stored.some(
    ({ url, status = "valid" }) => url !== undefined && status === "valid",
  );
  return withTools(issuer, context, async ({ ca }) => {
    const { meta } = await ca.directory(context.signal);
    const { termsOfService: terms, externalAccountRequired: bound, website } = meta;
    return { terms, bound, website, hasAccount };
  });
}
