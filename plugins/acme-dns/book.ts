/** Where accounts are kept: `{ "example.com": { fulldomain, subdomain, username, password, server_url } }`. */
import { randomBytes } from "node:crypto";
import { open, readFile, realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Problem, type Log, type SolverState } from "acmectl/plugin";
import { accountFrom, isRecord, recordOf, type Account } from "./account.ts";

export interface Book {
  /** For messages. */
  readonly place: string;
  /** The account of a name without `*.`; undefined when there is none. Rejects with a Problem when it cannot be read. */
  find(name: string): Promise<Account | undefined>;
  /** Rejects with a Problem when `add` would: asked before somebody makes an account that could not be kept. */
  assertWritable(): Promise<void>;
  /** What is kept for the name from now on: this account, or one that another process added meanwhile. */
  add(name: string, account: Account): Promise<Account>;
}

type Records = Readonly<Record<string, unknown>>;

/** In acmectl's own state, mode 0600. */
export function stateBook(state: SolverState): Book {
  return bookOf("acmectl's state", {
    async read() {
      const kept = await state.get("accounts");
      return isRecord(kept) ? kept : {};
    },
    write: ({ records }) => state.set("accounts", records),
    // Setting another key leaves alone what another process may be adding.
    probe: () => state.set("writable", true),
  });
}

/** In a file that lego or cert-manager may have written and may read; what else stands in it is kept. */
export function fileBook(path: string, log: Log): Book {
  let warned = false;
  const warn = () => {
    if (!warned)
      log.warn(`${path} holds passwords and can be read by other users: chmod 600 ${path}`);
    warned = true;
  };
  const read = () => readRecords(path, warn);
  return bookOf(path, {
    read,
    write: ({ records, instead }) =>
      writeRecords(path, records, async () => isDeepStrictEqual(await read(), instead)),
    probe: () => probeFolder(path),
  });
}

interface Keeper {
  read(): Promise<Records>;
  /** Whole or not at all; also not at all where it is seen that others have written since. */
  write(change: { records: Records; instead: Records }): Promise<void>;
  /** Rejects when `write` would, and changes nothing. */
  probe(): Promise<void>;
}

/** Milliseconds: far longer than it takes another process to write what it has just read. */
const settled = 100;
const mostRounds = 50;

/** There is no lock that lego too would keep, so who writes looks afterwards whether another has written over it. */
function bookOf(place: string, keeper: Keeper): Book {
  let adding: Promise<unknown> = Promise.resolve();
  const held = async (name: string) => {
    const records = await keeper.read();
    const account = Object.hasOwn(records, name) ? accountFrom(records[name]) : undefined;
    if (account === undefined && Object.hasOwn(records, name))
      throw damaged(place, `what it has for ${name} is no account`);
    return { records, account };
  };
  const keep = async (name: string, account: Account) => {
    for (let round = 0; round < mostRounds; round += 1) {
      const { records, account: there } = await held(name);
      if (there !== undefined && round > 0) return there;
      if (there === undefined) {
        const added = { ...records, [name]: recordOf(account) };
        await keeper.write({ records: added, instead: records });
      }
      await sleep(settled * (1 + Math.random()));
    }
    throw contended(place, name);
  };
  return {
    place,
    find: async (name) => (await held(name)).account,
    assertWritable: () => keeper.probe(),
    add(name, account) {
      const add = () => keep(name, account);
      const added = adding.then(add, add);
      adding = added;
      return added;
    },
  };
}

async function readRecords(path: string, warn: () => void): Promise<Records> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) warn();
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

/** A link stays one. */
async function writeRecords(
  path: string,
  records: Records,
  isCurrent: () => Promise<boolean>,
): Promise<void> {
  await besides(path, async (temporary, target) => {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(`${JSON.stringify(records, null, 2)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
    if (!(await isCurrent())) return unlink(temporary);
    await rename(temporary, target);
    const folder = await open(dirname(target), "r");
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  });
}

/** Where a file can be made beside it, it can be replaced. */
async function probeFolder(path: string): Promise<void> {
  await besides(path, async (temporary) => {
    await writeFile(temporary, "", { flag: "wx", mode: 0o600 });
    await unlink(temporary);
  });
}

async function besides(
  path: string,
  work: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const temporary = join(dirname(target), `.acmectl-${randomBytes(12).toString("hex")}`);
  try {
    await work(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw Problem.is(error) ? error : unusable("written", path, error);
  }
}

function contended(place: string, name: string): Problem {
  return new Problem("machine", {
    title: "acme-dns account not kept",
    detail: `The acme-dns account of ${name} cannot be kept in ${place}: other processes write over it all the time.`,
    hint: "Find out what else writes there, and run again; a new account is registered then.",
  });
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
