/** Where accounts are kept: `{ "example.com": { fulldomain, subdomain, username, password, server_url } }`. */
import { randomBytes } from "node:crypto";
import { open, readFile, realpath, rename, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Problem, type Log, type SolverState } from "acmectl/plugin";
import { accountFrom, isRecord, recordOf, type Account } from "./account.ts";

export interface Book {
  /** For messages. */
  readonly place: string;
  /** The account of a name without `*.`; undefined when there is none. Rejects with a Problem when it cannot be read. */
  find(name: string): Promise<Account | undefined>;
  /** Rejects with a Problem when `add` would: asked before somebody makes an account that could not be kept. */
  assertWritable(): Promise<void>;
  add(name: string, account: Account): Promise<void>;
}

type Records = Readonly<Record<string, unknown>>;

/** In acmectl's own state, mode 0600. */
export function stateBook(state: SolverState): Book {
  return bookOf("acmectl's state", {
    async read() {
      const kept = await state.get("accounts");
      return isRecord(kept) ? kept : {};
    },
    write: (records) => state.set("accounts", records),
  });
}

/** In a file that lego or cert-manager may have written and may read; what else stands in it is kept. */
export function fileBook(path: string, log: Log): Book {
  return bookOf(path, {
    read: () => readRecords(path, log),
    write: (records) => writeRecords(path, records),
  });
}

interface Keeper {
  read(): Promise<Records>;
  write(records: Records): Promise<void>;
}

function bookOf(place: string, keeper: Keeper): Book {
  let adding: Promise<void> = Promise.resolve();
  return {
    place,
    async find(name) {
      const records = await keeper.read();
      if (!Object.hasOwn(records, name)) return undefined;
      const account = accountFrom(records[name]);
      if (account === undefined) throw damaged(place, `what it has for ${name} is no account`);
      return account;
    },
    assertWritable: async () => keeper.write(await keeper.read()),
    add(name, account) {
      const add = async () => {
        await keeper.write({ ...(await keeper.read()), [name]: recordOf(account) });
      };
      adding = adding.then(add, add);
      return adding;
    },
  };
}

async function readRecords(path: string, log: Log): Promise<Records> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0)
      log.warn(`${path} holds passwords and can be read by other users: chmod 600 ${path}`);
    text = await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return {};
    throw unusable("read", path, error);
  }
  if (text.trim() === "") return {};
  try {
    const records: unknown = JSON.parse(text);
    if (isRecord(records)) return records;
  } catch {
    // The parser's message quotes the text, and that has passwords in it.
    throw damaged(path, "it is not JSON");
  }
  throw damaged(path, "it is no object of accounts by name");
}

/** Whole or not at all. A link stays one. */
async function writeRecords(path: string, records: Records): Promise<void> {
  let temporary: string | undefined;
  try {
    const target = await realpath(path).catch(() => path);
    temporary = join(dirname(target), `.acmectl-${randomBytes(12).toString("hex")}`);
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(`${JSON.stringify(records, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, target);
    const folder = await open(dirname(target), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch (error) {
    if (temporary !== undefined) await unlink(temporary).catch(() => {});
    throw unusable("written", path, error);
  }
}

function damaged(place: string, what: string): Problem {
  return new Problem("config", {
    title: "acme-dns accounts unusable",
    detail: `The acme-dns accounts in ${place} cannot be used: ${what}.`,
    hint: 'Mend it by hand: {"example.com": {"fulldomain": "…", "subdomain": "…", "username": "…", "password": "…", "server_url": "…"}}. Without its account a name needs a new CNAME.',
  });
}

function unusable(done: "read" | "written", path: string, cause: unknown): Problem {
  return new Problem("machine", {
    title: "acme-dns accounts unusable",
    detail: `The acme-dns accounts in ${path} cannot be ${done}: ${codeOf(cause) || String(cause)}.`,
    hint: `Let this user read and write ${path} and make files in its folder, or name another file (storage).`,
    cause,
  });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
