import { accountDocument } from "../../issuer/account.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account list",
  summary: "List the accounts in the state folder",
  options: {},
  async run(_, context) {
    const store = await context.store();
    const accounts = await store.accounts.list();
    return {
      exitCode: 0,
      document: {
        outcome: "listed",
        accounts: accounts.map(accountDocument),
      },
      view:
        accounts.length === 0
          ? [{ kind: "line", text: `There are no accounts in ${store.where}.`, tone: "dim" }]
          : [
              {
                kind: "table",
                columns: ["CA", "ACCOUNT", "CONTACT", "STATUS"],
                rows: accounts.map(({ directory, url, contact, status }) => [
                  directory,
                  url ?? "not registered",
                  contact.map((one) => one.replace("mailto:", "")).join(", ") || "-",
                  status ?? "unknown",
                ]),
              },
            ],
    };
  },
});
