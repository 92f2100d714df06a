import { line } from "../result.ts";
import type { Store } from "../state/store.ts";
import { refuseUnknown } from "../status/certificates.ts";
import { confirm, defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "delete",
  summary: "Forget a certificate: its files, keys, request and history",
  description:
    "Does not revoke it: run `acmectl revoke NAME` before if you need to. Copies elsewhere stay.",
  examples: ["acmectl delete shop --yes"],
  arguments: [{ usage: "<name...>", description: "names of certificates" }],
  options: { yes: { type: "boolean", description: "Do not ask.", short: "y" } },
  async run(flags, context) {
    const store = await context.store();
    // Nothing is read: what is broken has to go too, and what an unfinished first run left has a journal alone.
    const known = [...(await store.certificates.names()), ...(await store.journal.names())];
    const names = [...new Set(context.args)];
    refuseUnknown(names, [...new Set(known)], store);
    await confirm(`Delete ${names.join(", ")} with keys and history?`, flags.yes, context);
    for (const name of names) await removeCertificate(name, store, context.signal);
    const certificates = names.map((name) => ({ name, outcome: "deleted" }));
    return {
      document: { outcome: "deleted", certificates },
      view: [line(`Deleted ${names.join(", ")}.`, "good")],
    };
  },
});

/** Fails at once while another run works on it. */
export async function removeCertificate(name: string, store: Store, signal: AbortSignal) {
  const lock = await store.lock(`certificate:${name}`, { wait: 0, signal });
  try {
    await store.certificates.remove(name);
    await store.journal.remove(name);
  } finally {
    await lock.release();
  }
}
