import { line } from "../../result.ts";
import { thumbprint } from "../../acme/keys.ts";
import { withAccountLock } from "../../account/open.ts";
import { rollOver } from "../../account/rollover.ts";
import { refuseUnseenRecords } from "../../check/account.ts";
import { directoryFlags, newKey } from "../../options/declared/account.ts";
import { readNewKey } from "../../request/given-file.ts";
import { accountDocument, withAccount, usableAccount } from "../../issuer/account.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account rollover",
  summary: "Replace the key of the account",
  description:
    "The new key is written to disk before the CA receives it. After an interrupted run, the next one finds out which key the CA uses.",
  examples: ["acmectl account rollover", "acmectl account rollover --new-key new.pem"],
  options: { ...directoryFlags, newKey },
  async run(flags, context) {
    return withAccount(flags, context, async ({ issuer, tools }) => {
      const account = await usableAccount(issuer, context);
      const key = flags.newKey === undefined ? undefined : await readNewKey(flags.newKey);
      await refuseUnseenRecords(account, key, tools);
      const changed = await withAccountLock(issuer.server, tools, async () =>
        rollOver(await usableAccount(issuer, context), tools, key),
      );
      return {
        document: {
          outcome: "changed",
          account: { ...accountDocument(changed), thumbprint: thumbprint(changed.key) },
        },
        view: [
          line(`The account ${changed.url} has a new key in ${changed.where}.`, "good"),
          line("Copies of the old key no longer work."),
        ],
      };
    });
  },
});
