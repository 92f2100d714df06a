import { line, table } from "../../result.ts";
import { accountDocument, addressesOf } from "../../issuer/account.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account list",
  summary: "List the accounts in the state folder",
  options: {},
  async run(_, context) {
    const store = await context.store();
    const accounts = await store.accounts.list();
    const rows = accounts.map(({ directory, url, contact, status }) => [
      directory,
      url ?? "not registered",
      addressesOf(contact) || "-",
      status ?? "unknown",
    ]);
    return {
      document: { outcome: "listed", accounts: accounts.map(accountDocument) },
      view:
        rows.length === 0
          ? [line(`There are no accounts in ${store.where}.`, "dim")]
          : [table(["CA", "ACCOUNT", "CONTACT", "STATUS"], rows)],
    };
  },
});
