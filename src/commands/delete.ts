import { refuseUnknown } from "../status/certificates.ts";
import { confirm } from "./command.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "delete",
  summary: "Forget a certificate: its files, keys, request and history",
  description:
    "It is not revoked: `acmectl revoke` does that, before. What was copied elsewhere stays there.",
  examples: ["acmectl delete shop --yes"],
  arguments: [{ usage: "<name...>", description: "what the certificates are called" }],
  options: { yes: { type: "boolean", description: "Do not ask.", short: "y" } },
  async run(flags, context) {
    const store = await context.store();
    // Nothing is read: what is broken has to go too, and what an unfinished first run left has a journal alone.
    const known = [...(await store.certificates.names()), ...(await store.journal.names())];
    const names = [...new Set(context.args)];
    refuseUnknown(names, [...new Set(known)], store);
    await confirm(`Delete ${names.join(", ")} with keys and history?`, flags.yes, context);
    for (const name of names) {
      const lock = await store.lock(`certificate:${name}`, { wait: 0, signal: context.signal });
      try {
        await store.certificates.remove(name);
        await store.journal.remove(name);
      } finally {
        await lock.release();
      }
    }
    return {
      exitCode: 0,
      document: {
        outcome: "deleted",
        certificates: names.map((name) => ({ name, outcome: "deleted" })),
      },
      view: [{ kind: "line", tone: "good", text: `Deleted ${names.join(", ")}.` }],
    };
  },
});
