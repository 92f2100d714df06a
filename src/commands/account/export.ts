import { createPrivateKey } from "node:crypto";
import { lstat } from "node:fs/promises";
import { directoryFlags } from "../../options/declared/account.ts";
import { Problem } from "../../problem.ts";
import { writeDurably } from "../../state/folder/files.ts";
import { openFolderStore } from "../../state/folder/folder.ts";
import type { StoredAccount } from "../../state/store.ts";
import { chosenCa, keptAccount } from "../../account/kept.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account export",
  summary: "Write the account's private key, for another machine or another client",
  description:
    "Who has it can issue and revoke in your name. `acmectl account import` takes every format; no CA is asked.",
  examples: [
    "acmectl account export --output account.pem",
    "acmectl account export --server zerossl --format json --output account.json",
  ],
  options: {
    ...directoryFlags,
    format: {
      type: "string",
      choices: ["pem", "jwk", "json"],
      default: "pem",
      description: "The key as PEM (PKCS#8) or JWK; json is what is known of the account, with it.",
      placeholder: "FORMAT",
    },
    output: {
      type: "path",
      description: "Write this new file, readable by you alone, instead of stdout.",
      placeholder: "FILE",
    },
  },
  async run({ format, output, ...flags }, context) {
    const issuer = await chosenCa(flags, context);
    const store = openFolderStore(context.stateFolder, context);
    const stored = await keptAccount(issuer, store);
    assertSettled(stored);
    context.log.warn("this is a secret: who has the key can issue and revoke in your name");
    const text = render(stored, format);
    const { key, nextKey: _next, ...account } = stored;
    if (output === undefined) {
      return {
        exitCode: 0,
        document: { outcome: "exported", account: { ...account, key } },
        view: [{ kind: "verbatim", text }],
      };
    }
    await assertNew(output);
    await writeDurably(output, text);
    return {
      exitCode: 0,
      document: { outcome: "exported", account, path: output },
      view: [{ kind: "line", tone: "good", text: `Wrote ${output}, readable by you alone.` }],
    };
  },
});

function render({ key, ...stored }: StoredAccount, format: "pem" | "jwk" | "json"): string {
  if (format === "pem") return key;
  if (format === "jwk")
    return `${JSON.stringify(createPrivateKey(key).export({ format: "jwk" }), undefined, 2)}\n`;
  const { directory, url, contact, createdAt } = stored;
  return `${JSON.stringify({ directory, url, contact, createdAt, key }, undefined, 2)}\n`;
}

function assertSettled({ nextKey, path }: StoredAccount): void {
  if (nextKey === undefined) return;
  throw new Problem("usage", {
    detail: `A change of this account's key was cut off: ${path} holds two, and only the CA knows which one is good.`,
    hint: "Find out with `acmectl account rollover`, then export.",
  });
}

async function assertNew(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  throw new Problem("usage", {
    detail: `${path} exists, and no key is written over a file.`,
    hint: "Give another path with --output, or remove the file.",
  });
}
