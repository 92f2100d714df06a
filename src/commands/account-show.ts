import { composeIssuer } from "../issue/issuer.ts";
import { openTools } from "../issue/open.ts";
import { directoryFlags } from "../options/account.ts";
import { Problem } from "../problem.ts";
import { openFolderStore } from "../store/folder.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "account show",
  summary: "Ask the CA about the account that is kept here",
  options: directoryFlags,
  async run(flags, context) {
    const nothing = {
      email: undefined,
      agreeTos: undefined,
      eabKid: undefined,
      eabHmac: undefined,
    };
    const issuer = composeIssuer({ ...nothing, ...flags }, undefined, await context.config());
    const store = openFolderStore(context.stateFolder, context);
    const [stored] = await store.accounts.ofDirectory(issuer.server);
    if (stored === undefined) {
      throw new Problem("usage", {
        detail: `No account with ${issuer.server} is kept in ${context.stateFolder}.`,
        hint: "Make one with `acmectl account register`; `acmectl account list` shows those that there are.",
      });
    }
    const tools = await openTools(issuer, [], context, { store });
    try {
      const session = tools.ca.session(stored.key, stored.url);
      const account =
        stored.url === undefined
          ? await session.find(context.signal)
          : await session.read(context.signal);
      return {
        exitCode: 0,
        document: {
          outcome: "shown",
          account: { ...account, directory: stored.directory, id: stored.id, path: stored.path },
        },
        view: [
          {
            kind: "fields",
            entries: [
              ["CA", stored.directory],
              ["Account", account?.url ?? "not registered"],
              ["Status", account?.status ?? "unknown to the CA"],
              ["Contact", account?.contact.join(", ") || "none"],
              ["Key thumbprint", stored.id],
              ["Kept in", stored.path],
            ],
          },
        ],
      };
    } finally {
      await tools.close();
    }
  },
});
