/** acme-dns accounts, kept as JSON by name: `{ "example.com": { fulldomain, subdomain, username, password, server_url } }`. */
import { randomBytes } from "node:crypto";
import { open, readFile, realpath, rename, stat, unlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { Problem, type Log, type SolverState } from "acmectl/plugin";
import { codeOf, inTurns, isRecord, plainName, textOf } from "acmectl/plugin/http";
import { accountsDamaged, accountsUnusable, accountNotSaved } from "./errors.ts";

/** Sets the two TXT values of one name on an acme-dns server. */
export interface Account {
  /** Target of the CNAME, without trailing dot; undefined if only the subdomain is known. */
  readonly fulldomain: string | undefined;
  readonly subdomain: string;
  readonly username: string;
  readonly password: string;
  /** URL of the API that registered it, if known. */
  readonly server: string | undefined;
}

/** An account in the JSON of `/register`, lego or cert-manager; undefined if it is not one. */
export function accountFrom(value: unknown): Account | undefined {
  const [subdomain, username, password] = ["subdomain", "username", "password"].map((name) =>
    textOf(value, name),
  );
  if (subdomain === undefined || username === undefined || password === undefined) return undefined;
  const fulldomain = textOf(value, "fulldomain");
  return {
    fulldomain: fulldomain === undefined ? undefined : plainName(fulldomain),
    subdomain,
    username,
    password,
    server: textOf(value, "server_url"),
  };
}

/** The one account for all names; undefined if the options have none. Half of an account is a Problem. */
export function fixedAccount({
  username,
  password,
  subdomain,
  fulldomain,
}: Readonly<Record<"username" | "password" | "subdomain" | "fulldomain", string | undefined>>):
  | Account
  | undefined {
  const parts = Object.entries({ username, password, subdomain });
  const missing = parts.flatMap(([name, value]) => (value === undefined ? [name] : []));
  if (missing.length === 3 && fulldomain === undefined) return undefined;
  if (username !== undefined && password !== undefined && subdomain !== undefined)
    return { username, password, subdomain, fulldomain, server: undefined };
  throw new Problem("config", {
    detail: `The acme-dns solver's account is incomplete: ${missing.join(", ")} missing.`,
    hint: "Set username, password and subdomain from the response of /register, or none of them.",
  });
}

/** True if a CNAME to `name` leads to this account. */
export function isTarget(account: Account, name: string): boolean {
  const target = plainName(name);
  return account.fulldomain === undefined
    ? target.split(".")[0] === account.subdomain.toLowerCase()
    : target === plainName(account.fulldomain);
}

/** The CNAME target for messages. */
export function targetOf({ fulldomain, subdomain }: Account): string {
  return `${fulldomain ?? `${subdomain}.<domain of the acme-dns server>`}.`;
}

export type Accounts = ReturnType<typeof accountsIn>;

type Records = Readonly<Record<string, unknown>>;

/** Accounts in acmectl's state, mode 0600. */
export function stateAccounts(state: SolverState): Accounts {
  return accountsIn("acmectl's state", {
    async read() {
      const records = await state.get("accounts");
      return isRecord(records) ? records : {};
    },
    write: ({ records }) => state.set("accounts", records),
    // Another key, so that an account that another process adds at the same time is not overwritten.
    probe: () => state.set("writable", true),
  });
}

/** Accounts in a file shared with lego or cert-manager; other content of the file is preserved. */
export function fileAccounts(path: string, log: Log): Accounts {
  let warned = false;
  const warn = () => {
    if (!warned) log.warn(`${path} has passwords and other users can read it: chmod 600 ${path}`);
    warned = true;
  };
  const read = () => readRecords(path, warn);
  return accountsIn(path, {
    read,
    write: ({ records, replaced }) =>
      writeRecords(path, records, async () => isDeepStrictEqual(await read(), replaced)),
    probe: () => probeFolder(path),
  });
}

interface Storage {
  read(): Promise<Records>;
  /** Writes completely or not at all; not if another process is seen to have written since. */
  write(change: { records: Records; replaced: Records }): Promise<void>;
  /** Rejects if `write` would, and changes nothing. */
  probe(): Promise<void>;
}

/** Milliseconds: far longer than another process takes to write what it has just read. */
const settleTime = 100;
const maxRounds = 50;

/** lego takes no lock on its file, so after each write check that no other process has overwritten it. */
function accountsIn(place: string, storage: Storage) {
  const inTurn = inTurns();
  const lookUp = async (name: string) => {
    const records = await storage.read();
    const keys = Object.keys(records).filter((key) => nameOfKey(key) === name);
    // The exact key first, so that it does not matter what other tools add.
    const [key] = keys.toSorted((a, b) => Number(b === name) - Number(a === name));
    const account = key === undefined ? undefined : accountFrom(records[key]);
    if (account === undefined && key !== undefined)
      throw accountsDamaged(place, `the entry for ${key} is not an account`);
    return { records, account };
  };
  const save = async (name: string, account: Account) => {
    for (let round = 0; round < maxRounds; round += 1) {
      const { records, account: saved } = await lookUp(name);
      if (saved !== undefined && round > 0) return saved;
      if (saved === undefined) {
        const added = { ...records, [name]: recordOf(account) };
        await storage.write({ records: added, replaced: records });
      }
      await sleep(settleTime * (1 + Math.random()));
    }
    throw accountNotSaved(place, name);
  };
  return {
    /** For messages. */
    place,
    /**
     * The account to which the CNAME of a name leads, whatever its key, else the account saved for the name; undefined if
     * there is none. Rejects with a Problem if it cannot be read.
     */
    async find(name: string, cnameTarget: string) {
      const records = Object.values(await storage.read());
      const accounts = records.flatMap((record) => accountFrom(record) ?? []);
      const delegated = accounts.find(
        (account) => account.fulldomain !== undefined && isTarget(account, cnameTarget),
      );
      return delegated ?? (await lookUp(name)).account;
    },
    /** Rejects with a Problem if `add` would: called before an account is registered. */
    assertWritable: () => storage.probe(),
    /** Saves the account of a name and returns it, or the one that another process saved first. */
    add: (name: string, account: Account) => inTurn(place, () => save(name, account)),
  };
}

/** Other tools use the wildcard, the record name, upper case or a final dot as key. */
function nameOfKey(key: string): string {
  return plainName(key)
    .replace(/^_acme-challenge\./, "")
    .replace(/^\*\./, "");
}

/** As lego writes it. */
function recordOf({ fulldomain, subdomain, username, password, server }: Account): object {
  const [full, url] = [fulldomain ?? "", server ?? ""];
  return { fulldomain: full, subdomain, username, password, server_url: url };
}

async function readRecords(path: string, warn: () => void): Promise<Records> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) warn();
    text = (await readFile(path, "utf8")).replace(/^\uFEFF/, "");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return {};
    throw accountsUnusable("read", path, error);
  }
  if (text.trim() === "") return {};
  try {
    const records: unknown = JSON.parse(text);
    if (isRecord(records)) return records;
  } catch {
    // The message of the parser quotes the text, which has passwords.
    throw accountsDamaged(path, "it is not JSON");
  }
  throw accountsDamaged(path, "it is not a JSON object of accounts by name");
}

/** Keeps a symbolic link and replaces its target. */
async function writeRecords(
  path: string,
  records: Records,
  isCurrent: () => Promise<boolean>,
): Promise<void> {
  await withTemporary(path, async (temporary, target) => {
    const text = `${JSON.stringify(records, null, 2)}\n`;
    await writeFile(temporary, text, { flag: "wx", mode: 0o600, flush: true });
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

/** If a file can be created beside it, it can be replaced. */
async function probeFolder(path: string): Promise<void> {
  await withTemporary(path, async (temporary) => {
    await writeFile(temporary, "", { flag: "wx", mode: 0o600 });
    await unlink(temporary);
  });
}

async function withTemporary(
  path: string,
  work: (temporary: string, target: string) => Promise<void>,
): Promise<void> {
  const target = await realpath(path).catch(() => path);
  const temporary = join(dirname(target), `.acmectl-${randomBytes(12).toString("hex")}`);
  try {
    await work(temporary, target);
  } catch (error) {
    await unlink(temporary).catch(() => {});
    throw Problem.is(error) ? error : accountsUnusable("written", path, error);
  }
}
