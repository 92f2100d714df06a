import { openFolderStore } from "../../state/folder/folder.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account list",
  summary: "Show the accounts that are kept here",
  options: {},
  async run(_, context) {
    const accounts = await openFolderStore(context.stateFolder, context).accounts.list();
    return {
      exitCode: 0,
      document: {
        outcome: "listed",
        accounts: accounts.map(({ key: _key, nextKey: _next, ...account }) => account),
      },
      view:
        accounts.length === 0
          ? [{ kind: "line", text: `No accounts are kept in ${context.stateFolder}.`, tone: "dim" }]
          : [
              {
                kind: "table",
                columns: ["CA", "ACCOUNT", "CONTACT", "STATUS"],
                rows: accounts.map(({ directory, url, contact, status }) => [
                  directory,
                  url ?? "not registered yet",
                  contact.map((one) => one.replace("mailto:", "")).join(", ") || "-",
                  status ?? "unknown",
                ]),
              },
            ],
    };
  },
});
