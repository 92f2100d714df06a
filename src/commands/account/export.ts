import { line, verbatim } from "../../result.ts";
import { createPrivateKey } from "node:crypto";
import { lstat } from "node:fs/promises";
import { file } from "../../options/declaration.ts";
import { directoryFlags } from "../../options/declared/account.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { writeDurably } from "../../state/folder/files.ts";
import type { StoredAccount } from "../../state/store.ts";
import { accountDocument, chosenCa, keptAccount } from "../../issuer/account.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account export",
  summary: "Export the account's private key for another machine or client",
  description:
    "Anyone with the key can issue and revoke certificates in your name. `acmectl account import FILE` reads every format. Works offline.",
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
      description: "The key as PEM (PKCS#8) or JWK, or the whole account as JSON.",
      placeholder: "FORMAT",
    },
    output: file("New file to write, mode 0600, instead of stdout."),
  },
  async run({ format, output, ...flags }, context) {
    const issuer = await chosenCa(flags, context);
    const stored = await keptAccount(issuer, context);
    assertSettled(stored);
    context.log.warn(
      "keep this secret: anyone with the key can issue and revoke certificates in your name",
    );
    const text = render(stored, format);
    const account = accountDocument(stored);
    if (output === undefined) {
      const document = { outcome: "exported", account: { ...account, key: stored.key } };
      return { document, view: [verbatim(text)] };
    }
    await assertNew(output);
    await writeDurably(output, text);
    return {
      document: { outcome: "exported", account, path: output },
      view: [line(`Wrote ${output} (mode 0600).`, "good")],
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

function assertSettled({ nextKey, where, directory }: StoredAccount): void {
  if (nextKey === undefined) return;
  throw new Problem("usage", {
    detail: `A key rollover of this account is unfinished: ${where} has two keys, and only the CA knows which one is in use.`,
    hint: `Finish it with \`acmectl account rollover --server ${quotedWord(directory)}\`, then export.`,
  });
}

async function assertNew(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  throw new Problem("usage", {
    detail: `${path} exists, and acmectl does not overwrite files with keys.`,
    hint: "Give another path with --output, or remove the file.",
  });
}
