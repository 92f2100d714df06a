import { fields, line } from "../../result.ts";
import { composeIssuer } from "../../request/issuer.ts";
import { withTools } from "../../issuer/account.ts";
import { registerAccount } from "../../account/register.ts";
import { warnOfRecords } from "../../check/account.ts";
import { registrationFlags } from "../../options/declared/account.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account register",
  summary: "Register an account with a CA, or find the account of a given key",
  examples: [
    "acmectl account register -m ops@example.com --agree-tos",
    "acmectl account register --server zerossl --agree-tos --eab-kid ID --eab-hmac env:ZEROSSL_HMAC",
    "acmectl account register --account-key file:/run/secrets/account.pem",
  ],
  options: registrationFlags,
  async run(flags, context) {
    const issuer = composeIssuer(flags, undefined, await context.config());
    return withTools(issuer, context, async (tools) => {
      if (flags.reregister === true || flags.accountKey !== undefined)
        await warnOfRecords(issuer, tools);
      const how = { accountKey: flags.accountKey, again: flags.reregister === true };
      const { stored, account, created } = await registerAccount(issuer, how, context, tools);
      const { directory, id, where } = stored;
      const text = created
        ? `Registered an account with ${issuer.server}.`
        : `The account with ${issuer.server} exists already.`;
      return {
        document: {
          outcome: created ? "registered" : "unchanged",
          account: { ...account, directory, id, path: where },
        },
        view: [
          line(text, "good"),
          fields([
            ["Account", account.url],
            ["Status", account.status],
            ["Contact", account.contact.join(", ") || "none"],
            ["Kept in", where],
          ]),
        ],
      };
    });
  },
});
