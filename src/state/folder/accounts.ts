import { rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { thumbprint } from "../../acme/keys.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { codeOf } from "../../errors.ts";
import {
  attempt,
  createFile,
  discard,
  entriesOf,
  makeFolder,
  makeTemporaryFolder,
  readText,
  removeFile,
  sweep,
  syncFolder,
  temporaryMark,
  writeDurably,
} from "./files.ts";
import { directoryFolderName } from "./names.ts";
import {
  hasStrings,
  readKey,
  readRecord,
  recordText,
  writeRecord,
  type Folder,
} from "./records.ts";
import type { AccountRecord, Store, StoredAccount } from "../store.ts";

/**
 * Accounts in `accounts/<directory>/<id>/`. A broken account stays a Problem until it is repaired: acmectl does not register
 * a new one in its place.
 */
export function openAccounts(folder: Folder): Store["accounts"] {
  const accounts = join(folder.root, "accounts");
  const read = unchanged((path) => readAccount(path, folder));
  const readAll = async (directory: string) => {
    const entries = (await entriesOf(directory)).filter((entry) => !entry.startsWith("."));
    return Promise.all(entries.map((entry) => read(join(directory, entry))));
  };
  const alone = <T>({ id, directory }: Identity, work: (assert: Assert) => Promise<T>) => {
    const lock = `account-record:${id}`;
    const assert = () => folder.assertHeld(lock, `account:${directory}`);
    return folder.exclusively(lock, () => work(assert));
  };

  return {
    async list() {
      await folder.check();
      const directories = (await entriesOf(accounts)).filter((entry) => !entry.startsWith("."));
      const found = await Promise.all(directories.map((entry) => readAll(join(accounts, entry))));
      return found.flat();
    },
    async ofDirectory(directory) {
      await folder.check();
      const found = await readAll(join(accounts, directoryFolderName(directory)));
      return found.toSorted(byUse);
    },
    async create(account) {
      await folder.check();
      const path = join(accounts, directoryFolderName(account.directory), checkedId(account.id));
      const { key, ...record } = account;
      const createdAt = folder.clock.now().toISOString();
      const made = { ...record, createdAt, keyThumbprints: [thumbprint(key)] };
      const write = () => attempt("write", path, () => place(path, key, made));
      await alone(account, (assert) => assert().then(write));
      return read(path);
    },
    update: (account, change) =>
      alone(account, async (assert) => {
        const before = await read(account.where);
        await writeOver(before, { keyThumbprints: thumbprintsOf(before), ...change }, assert);
        return read(before.where);
      }),
    beginRollover: (account, nextKey) =>
      alone(account, (assert) => begin(account.where, nextKey, read, assert)),
    finishRollover: (account) => alone(account, (assert) => finish(account.where, read, assert)),
    abandonRollover: (account) => alone(account, (assert) => abandon(account.where, read, assert)),
  };
}

const recordFile = "account.json";
const keyFile = "key.pem";
const nextKeyFile = "key.next.pem";

type Identity = Pick<AccountRecord, "id" | "directory">;
type Read = (path: string) => Promise<StoredAccount>;
/** Rejects if another run works on the account by now. */
type Assert = () => Promise<void>;

/** A run looks at its account for each certificate; to parse the same key each time costs more than all else of it. */
function unchanged(read: Read): Read {
  const known = new Map<string, { readonly texts: string; readonly account: StoredAccount }>();
  return async (path) => {
    const files = [recordFile, keyFile, nextKeyFile].map((file) => readText(join(path, file)));
    const texts = JSON.stringify(await Promise.all(files));
    const before = known.get(path);
    if (before?.texts === texts) return before.account;
    const account = await read(path);
    known.set(path, { texts, account });
    return account;
  };
}

async function readAccount(path: string, folder: Folder): Promise<StoredAccount> {
  const name = join(basename(dirname(path)), basename(path));
  const reading = (what: string) => ({ folder, what: `${what} of the account ${name}` });
  const record = await readRecord(join(path, recordFile), isAccount, reading("The record"));
  const key = await readKey(join(path, keyFile), reading("The private key"));
  const nextKey = await readKey(join(path, nextKeyFile), reading("The next private key"));
  if (record === undefined) throw missing(path, recordFile);
  if (key === undefined) throw missing(path, keyFile);
  if (record.keyThumbprints?.includes(thumbprint(key)) === false) throw replaced(path, record);
  return { ...record, key, nextKey, where: path };
}

const thumbprintsOf = ({ key, nextKey, keyThumbprints }: StoredAccount) =>
  keyThumbprints ?? [key, ...(nextKey === undefined ? [] : [nextKey])].map(thumbprint);

async function writeOver(
  before: StoredAccount,
  change: Partial<AccountRecord>,
  assert: Assert,
): Promise<void> {
  const { key: _, nextKey: __, where, ...record } = before;
  await writeRecord(join(where, recordFile), { ...record, ...change }, assert);
}

/** The whole folder at once, so that every account has its key. An existing folder gets its missing files only. */
async function place(path: string, key: string, record: AccountRecord): Promise<void> {
  const directory = dirname(path);
  const prefix = `.${basename(path)}${temporaryMark}`;
  await makeFolder(directory);
  await sweep(directory, prefix);
  const temporary = await makeTemporaryFolder(directory, prefix);
  try {
    await createFile(join(temporary, keyFile), key);
    await createFile(join(temporary, recordFile), recordText(record));
    await syncFolder(temporary);
    await rename(temporary, path);
  } catch (error) {
    await discard(temporary);
    const code = codeOf(error);
    if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
    const present = await entriesOf(path);
    if (!present.includes(keyFile)) await writeDurably(join(path, keyFile), key);
    if (!present.includes(recordFile)) await writeRecord(join(path, recordFile), record);
  }
  await syncFolder(directory);
}

async function begin(
  path: string,
  nextKey: string,
  read: Read,
  assert: Assert,
): Promise<StoredAccount> {
  const current = await read(path);
  if (current.nextKey === nextKey) return current;
  if (current.nextKey !== undefined) {
    throw new Problem("machine", {
      detail: `A key rollover of this account is unfinished: ${join(path, nextKeyFile)} exists, and the CA may use that key already.`,
      hint: `Run it again; it first finds out which key the CA uses: acmectl account rollover ${flagsOf(path, current)}`,
    });
  }
  // First, so that no kill leaves a key in use that the record does not have.
  await writeOver(current, { keyThumbprints: [current.key, nextKey].map(thumbprint) }, assert);
  await writeDurably(join(path, nextKeyFile), nextKey, assert);
  return read(path);
}

async function finish(path: string, read: Read, assert: Assert): Promise<StoredAccount> {
  const before = await read(path);
  const { nextKey } = before;
  if (nextKey !== undefined) {
    await attempt("write", join(path, keyFile), async () => {
      await assert();
      await rename(join(path, nextKeyFile), join(path, keyFile));
      await syncFolder(path);
    });
    await writeOver(before, { keyThumbprints: [thumbprint(nextKey)] }, assert);
  }
  return read(path);
}

async function abandon(path: string, read: Read, assert: Assert): Promise<StoredAccount> {
  await removeFile(join(path, nextKeyFile), assert);
  const before = await read(path);
  await writeOver(before, { keyThumbprints: [thumbprint(before.key)] }, assert);
  return read(path);
}

/** First an account that the CA has confirmed, then one that it may not know yet, then those that have ended. */
function rank({ status = "valid", url }: AccountRecord): number {
  if (status !== "valid") return 2;
  return url === undefined ? 1 : 0;
}

export function byUse(a: AccountRecord, b: AccountRecord): number {
  return (
    rank(a) - rank(b) ||
    compare(b.chosenAt ?? "", a.chosenAt ?? "") ||
    compare(a.createdAt, b.createdAt)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function checkedId(id: string): string {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(id)) throw new TypeError(`not a key thumbprint: ${id}`);
  return id;
}

function isAccount(value: unknown): value is AccountRecord {
  return (
    hasStrings(value, ["id", "directory", "createdAt"]) &&
    Array.isArray(value["contact"]) &&
    value["contact"].every((contact) => typeof contact === "string") &&
    (value["keyThumbprints"] === undefined || Array.isArray(value["keyThumbprints"]))
  );
}

function missing(path: string, file: string): Problem {
  return new Problem("machine", {
    detail: `The account in ${path} has no ${file}, so acmectl cannot use it. It does not register another in its place.`,
    hint: `Restore ${join(path, file)} from a backup (or from the ${file}.corrupt-… beside it). To register a new account instead, remove ${path}.`,
    retryable: false,
  });
}

function replaced(path: string, record: AccountRecord): Problem {
  const file = join(path, keyFile);
  return new Problem("machine", {
    detail: `${file} is not the key of its account: it was replaced by another key.`,
    hint: `Restore ${file} from a backup. Or move ${path} out of the state folder and import the right key: acmectl account import FILE ${flagsOf(path, record)}`,
    retryable: false,
  });
}

/** How a command line names this CA and this state folder. */
function flagsOf(path: string, { directory }: AccountRecord): string {
  const words = ["--server", directory, "--state", dirname(dirname(dirname(path)))];
  return words.map(quotedWord).join(" ");
}
