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
    return withAccount(flags, context, async ({ issuer, store, tools }) => {
      const kept = await keptAccount(issuer, store);
      const { stored, session } = await openStored(kept, tools);
      const account =
        stored.url === undefined
          ? await session.find(context.signal)
          : await session.read(context.signal);
      return {
        exitCode: 0,
        document: {
          outcome: "shown",
          account: { ...account, directory: stored.directory, id: stored.id, path: stored.where },
        },
        view: [
          {
            kind: "fields",
            entries: [
              ["CA", stored.directory],
              ["Account", account?.url ?? "not registered"],
              ["Status", account?.status ?? "unknown to the CA"],
              ["Contact", account?.contact.join(", ") || "none"],
              ["Key thumbprint", thumbprint(stored.key)],
              ["Kept in", stored.where],
            ],
          },
        ],
      };
    });
  },
});
