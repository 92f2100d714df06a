import { forgetScriptValues } from "../deploy/script-values.ts";
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
  arguments: [{ usage: "<name...>", description: "names of certificates", offers: "certificates" }],
  options: { yes: { type: "boolean", description: "Do not ask.", short: "y" } },
  async run(flags, context) {
    const store = await context.store();
    // What is broken has to go too, and what an unfinished first run left has a journal alone.
    const known = [...(await store.certificates.names()), ...(await store.journal.names())];
    const names = [...new Set(context.args)];
    refuseUnknown(names, [...new Set(known)], store);
    await confirm(`Delete ${names.join(", ")} with keys and history?`, flags.yes, context);
    const certificates: { name: string; outcome: string; remaining?: readonly string[] }[] = [];
    for (const name of names) {
      const remaining = await removeCertificate(name, store, context.signal);
      certificates.push({ name, outcome: "deleted", remaining });
    }
    const left = certificates.flatMap(({ remaining = [] }) => remaining);
    return {
      document: { outcome: "deleted", certificates },
      view: [
        line(`Deleted ${names.join(", ")}.`, "good"),
        ...(left.length === 0 ? [] : [line("Remove these TLSA records from the DNS:", "warn")]),
        ...left.map((text) => line(`  ${text}`)),
      ],
    };
  },
});

/** Answers the TLSA records that it leaves in the DNS. Fails at once while another run works on it. */
export async function removeCertificate(
  name: string,
  store: Store,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const lock = await store.lock(`certificate:${name}`, { wait: 0, signal });
  try {
    // What is broken has to go too.
    const known = await store.certificates.read(name).catch(() => undefined);
    await store.certificates.remove(name);
    await store.journal.remove(name);
    if (known !== undefined) await forgetScriptValues(known, store);
    return (known?.status.dane?.records ?? []).map(
      ({ challenge }) => `${challenge.recordName} TLSA ${challenge.recordValue}`,
    );
  } finally {
    await lock.release();
  }
}
