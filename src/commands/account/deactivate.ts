import { directoryFlags } from "../../options/declared/account.ts";
import { openFolderStore } from "../../state/folder/folder.ts";
import { atDesk, changeAccount, chosenCa, usableAccount } from "../../account/kept.ts";
import { confirm } from "../command.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account deactivate",
  summary: "End the account at the CA, for good",
  description:
    "Certificates stay valid, and can be revoked by their keys alone (`acmectl revoke --by-key`). Nothing is renewed with this CA until another account is registered.",
  examples: ["acmectl account deactivate --server letsencrypt --yes"],
  options: {
    ...directoryFlags,
    yes: { type: "boolean", description: "Do not ask.", short: "y" },
  },
  async run(flags, context) {
    const issuer = await chosenCa(flags, context);
    const { url } = await usableAccount(issuer, openFolderStore(context.stateFolder, context));
    await confirm(
      `Deactivate ${url} on ${issuer.server}? It cannot be undone.`,
      flags.yes,
      context,
    );
    return atDesk(flags, context, (desk) =>
      changeAccount(desk, async ({ stored, session }) => {
        const { status } = await session.deactivate(context.signal);
        const {
          key: _key,
          nextKey: _next,
          ...account
        } = await desk.store.accounts.update(stored, {
          status,
        });
        return {
          exitCode: 0,
          document: { outcome: "deactivated", account },
          view: [
            {
              kind: "line",
              tone: "good",
              text: `The account ${account.url} is ${status}. Its key is still in ${account.path}.`,
            },
          ],
        };
      }),
    );
  },
});
