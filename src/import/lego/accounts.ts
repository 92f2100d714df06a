import { join } from "node:path";
import { isRecord } from "../../json.ts";
import { Problem } from "../../problem.ts";
import { namesIn, readObject, readText, textOf } from "../files.ts";
import type { FoundAccount, Left } from "../found.ts";
import { readAccountKey } from "../material.ts";

export interface LegoAccounts {
  readonly accounts: readonly FoundAccount[];
  readonly left: readonly Left[];
}

/** All of `accounts/<server>/<id>/`. lego 5 writes the directory down; before that the folder has the server's host alone. */
export async function readAccounts(
  folder: string,
  directories: readonly string[],
): Promise<LegoAccounts> {
  const root = join(folder, "accounts");
  const accounts: FoundAccount[] = [];
  const left: Left[] = [];
  for (const server of await namesIn(root)) {
    for (const id of await namesIn(join(root, server))) {
      const place = join(root, server, id);
      const record = await readObject(join(place, "account.json"));
      if (record === undefined) continue;
      const directory =
        textOf(record, "server") ?? directories.find((url) => folderOf(url) === server);
      const read = await readAccount({ place, id, server, directory, record });
      if ("why" in read) left.push(read);
      else accounts.push(read);
    }
  }
  return { accounts, left };
}

/** The folder below `accounts/` that lego makes for a directory. */
export function folderOf(url: string): string {
  return (URL.parse(url)?.host ?? "").replaceAll(/[:/\\]/g, "_");
}

interface Read {
  readonly place: string;
  readonly id: string;
  readonly server: string;
  readonly directory: string | undefined;
  readonly record: Record<string, unknown>;
}

async function readAccount({
  place,
  id,
  server,
  directory,
  record,
}: Read): Promise<FoundAccount | Left> {
  if (directory === undefined) {
    return {
      what: place,
      why: `lego stores only ${server} of its CA: import again with --server URL`,
    };
  }
  const email = textOf(record, "email");
  const keys = [join(place, "keys", `${email ?? id}.key`), join(place, `${id}.key`)];
  try {
    for (const source of keys) {
      const pem = await readText(source);
      if (pem === undefined) continue;
      const url = urlOf(record["registration"]);
      return {
        ...readAccountKey(pem, source),
        directory,
        url,
        contact: email === undefined ? [] : [`mailto:${email}`],
        source: place,
      };
    }
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return { what: place, why: error.message };
  }
  return { what: place, why: `its key is neither in ${keys.join(" nor in ")}` };
}

function urlOf(registration: unknown): string | undefined {
  if (!isRecord(registration)) return undefined;
  return textOf(registration, "uri") ?? textOf(registration, "accountURL");
}
