import { text } from "node:stream/consumers";
import { resolve } from "node:path";
import { readAccountKey } from "../../import/material.ts";
import { importAccount } from "../../account/import.ts";
import { directoryFlags } from "../../options/declared/account.ts";
import { readSmallFile } from "../../options/secret.ts";
import { Problem } from "../../problem.ts";
import { atDesk } from "../../account/kept.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "account import",
  summary: "Take over an account by its private key, and use it from now on",
  description:
    "The CA finds the account by the key alone. PEM, JWK (certbot's private_key.json) and what `acmectl account export` writes are taken; the file is left as it is.",
  examples: [
    "acmectl account import account.pem",
    "acmectl account import --server letsencrypt private_key.json",
  ],
  arguments: [{ usage: "<file>", description: "the key; - for stdin" }],
  options: directoryFlags,
  async run(flags, context) {
    const key = await readKey(context.args[0] ?? "-", context);
    context.mask(key);
    return atDesk(flags, context, async ({ issuer, tools }) => {
      const { stored, isNew } = await importAccount(key, issuer, tools);
      const { key: _key, nextKey: _next, ...account } = stored;
      return {
        exitCode: 0,
        document: { outcome: isNew ? "imported" : "unchanged", account },
        view: [
          {
            kind: "line",
            tone: "good",
            text: isNew
              ? `Took over ${account.url}; it is used on ${account.directory} from now on.`
              : `The account ${account.url} is kept here already; it is used on ${account.directory}.`,
          },
          { kind: "fields", entries: [["Kept in", account.path]] },
        ],
      };
    });
  },
});

async function readKey(file: string, context: Context): Promise<string> {
  const content =
    file === "-"
      ? await text(context.stdin)
      : await readSmallFile(resolve(context.cwd, file), context.signal, "The account's key");
  const source = file === "-" ? "stdin" : file;
  if (!content.trimStart().startsWith("{")) return readAccountKey(content, source).key;
  const parsed = parse(content, source);
  const { key } = parsed;
  return readAccountKey(typeof key === "string" ? key : parsed, source).key;
}

function parse(content: string, source: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(content);
    if (typeof parsed === "object" && parsed !== null) return { ...parsed };
  } catch {
    // Told below, without its text: it is a secret.
  }
  throw new Problem("config", {
    detail: `${source} is neither PEM nor JSON.`,
    hint: "Give the account's private key as PEM, as JWK, or as `acmectl account export` wrote it.",
  });
}
