import { fields, line } from "../../result.ts";
import { text } from "node:stream/consumers";
import { resolve } from "node:path";
import { readAccountKey } from "../../import/material.ts";
import { importAccount } from "../../account/register.ts";
import { warnOfRecords } from "../../check/account.ts";
import { directoryFlags } from "../../options/declared/account.ts";
import { readSmallFile } from "../../options/secret.ts";
import { isRecord, parseJson } from "../../json.ts";
import { Problem } from "../../problem.ts";
import { accountDocument, withAccount } from "../../issuer/account.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account import",
  summary: "Import an account by its private key and use it from now on",
  description:
    "The CA finds the account by its key. The file is PEM, JWK (certbot's private_key.json) or the output of `acmectl account export`; it is not changed.",
  examples: [
    "acmectl account import account.pem",
    "acmectl account import --server letsencrypt private_key.json",
  ],
  arguments: [{ usage: "<file>", description: "the key file; - for stdin" }],
  options: directoryFlags,
  async run(flags, context) {
    const key = await readKey(context.args[0] ?? "-", context);
    context.mask(key);
    return withAccount(flags, context, async ({ issuer, tools }) => {
      await warnOfRecords(issuer, tools);
      const { stored, isNew } = await importAccount(key, issuer, tools);
      const { url, directory } = stored;
      const done = isNew
        ? `Imported ${url}. acmectl uses it with ${directory} from now on.`
        : `${url} was imported before. acmectl uses it with ${directory}.`;
      return {
        document: { outcome: isNew ? "imported" : "unchanged", account: accountDocument(stored) },
        view: [line(done, "good"), fields([["Kept in", stored.where]])],
      };
    });
  },
});

async function readKey(file: string, context: Context): Promise<string> {
  const source = file === "-" ? "stdin" : file;
  const content =
    file === "-"
      ? await text(context.stdin)
      : await readSmallFile(resolve(context.cwd, file), context.signal, "The account's key");
  if (!content.trimStart().startsWith("{")) return readAccountKey(content, source).key;
  const parsed = parse(content, source);
  const { key } = parsed;
  return readAccountKey(typeof key === "string" ? key : parsed, source).key;
}

function parse(content: string, source: string): Record<string, unknown> {
  const parsed = parseJson(content);
  if (isRecord(parsed)) return parsed;
  // Without the text, which is a secret.
  throw new Problem("config", {
    detail: `${source} is neither PEM nor JSON.`,
    hint: "Give the account's private key as PEM, as JWK, or as `acmectl account export` wrote it.",
  });
}
