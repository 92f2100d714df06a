import { thumbprint } from "../../acme/keys.ts";
import { withAccountLock } from "../../account/open.ts";
import { rollOver } from "../../account/rollover.ts";
import { directoryFlags } from "../../options/declared/account.ts";
import { atDesk, usableAccount } from "../../account/kept.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account rollover",
  summary: "Give the account a new key",
  description:
    "The new key is on disk before the CA hears of it. A run that is cut off loses nothing: the next one finds out which key the CA knows.",
  options: directoryFlags,
  async run(flags, context) {
    return atDesk(flags, context, async ({ issuer, store, tools }) => {
      const changed = await withAccountLock(issuer.server, tools, async () =>
        rollOver(await usableAccount(issuer, store), tools),
      );
      const { key, nextKey: _next, ...account } = changed;
      return {
        exitCode: 0,
        document: { outcome: "changed", account: { ...account, thumbprint: thumbprint(key) } },
        view: [
          {
            kind: "line",
            tone: "good",
            text: `The account ${account.url} has a new key, kept in ${account.path}.`,
          },
          {
            kind: "line",
            text: "Copies of the old key, elsewhere or exported, are of no use any more.",
          },
        ],
      };
    });
  },
});
