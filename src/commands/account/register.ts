import { composeIssuer } from "../../request/issuer.ts";
import { openTools } from "../../issuer/open.ts";
import { registerAccount } from "../../account/register.ts";
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
    const store = await context.store();
    const tools = await openTools(issuer, [], context, { store });
    try {
      const { stored, account, created } = await registerAccount(
        issuer,
        { accountKey: flags.accountKey, again: flags.reregister === true },
        context,
        tools,
      );
      const outcome = created ? "registered" : "unchanged";
      return {
        exitCode: 0,
        document: {
          outcome,
          account: { ...account, directory: stored.directory, id: stored.id, path: stored.where },
        },
        view: [
          {
            kind: "line",
            tone: "good",
            text: created
              ? `Registered an account with ${issuer.server}.`
              : `The account with ${issuer.server} exists already.`,
          },
          {
            kind: "fields",
            entries: [
              ["Account", account.url],
              ["Status", account.status],
              ["Contact", account.contact.join(", ") || "none"],
              ["Kept in", stored.where],
            ],
          },
        ],
      };
    } finally {
      await tools.close();
    }
  },
});
