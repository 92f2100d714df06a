import { fields } from "../../result.ts";
import { thumbprint } from "../../acme/keys.ts";
import { openStored } from "../../account/open.ts";
import { directoryFlags } from "../../options/declared/account.ts";
import { withAccount, keptAccount } from "../../issuer/account.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account show",
  summary: "Show the account as the CA knows it",
  options: directoryFlags,
  async run(flags, context) {
    return withAccount(flags, context, async ({ issuer, tools }) => {
      const { stored, session } = await openStored(await keptAccount(issuer, context), tools);
      const { url, directory, id, where, key } = stored;
      const account = await (url === undefined
        ? session.find(context.signal)
        : session.read(context.signal));
      return {
        document: { outcome: "shown", account: { ...account, directory, id, path: where } },
        view: [
          fields([
            ["CA", directory],
            ["Account", account?.url ?? "not registered"],
            ["Status", account?.status ?? "unknown to the CA"],
            ["Contact", account?.contact.join(", ") || "none"],
            ["Key thumbprint", thumbprint(key)],
            ["Kept in", where],
          ]),
        ],
      };
    });
  },
});
