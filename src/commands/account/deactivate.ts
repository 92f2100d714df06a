import { line } from "../../result.ts";
import { directoryFlags } from "../../options/declared/account.ts";
import {
  accountDocument,
  withAccount,
  changeAccount,
  chosenCa,
  usableAccount,
} from "../../issuer/account.ts";
import { warnOfRecords } from "../../check/account.ts";
import { confirm, defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account deactivate",
  summary: "Deactivate the account at the CA permanently",
  description:
    "Certificates stay valid; to revoke one afterwards, use its key (`acmectl revoke NAME --by-key`). No certificate of this CA is renewed until another account is registered.",
  examples: ["acmectl account deactivate --server letsencrypt --yes"],
  options: { ...directoryFlags, yes: { type: "boolean", description: "Do not ask.", short: "y" } },
  async run(flags, context) {
    const issuer = await chosenCa(flags, context);
    const { url } = await usableAccount(issuer, context);
    const question = `Deactivate ${url} on ${issuer.server}? This cannot be undone.`;
    return withAccount(flags, context, async (opened) => {
      await warnOfRecords(issuer, opened.tools);
      await confirm(question, flags.yes, context);
      return changeAccount(opened, async ({ stored, session }) => {
        const { status } = await session.deactivate(context.signal);
        const account = await opened.tools.store.accounts.update(stored, { status });
        return {
          document: { outcome: "deactivated", account: accountDocument(account) },
          view: [
            line(
              `The account ${account.url} is ${status}. Its key is still in ${account.where}.`,
              "good",
            ),
          ],
        };
      });
    });
  },
});
