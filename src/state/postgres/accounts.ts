import { thumbprint } from "../../acme/keys.ts";
import { Problem } from "../../problem.ts";
import { byUse } from "../folder/accounts.ts";
import type { AccountRecord, Store, StoredAccount } from "../store.ts";
import { commandFor } from "./faults.ts";
import { swap } from "./swap.ts";
import type { Shared } from "./shared.ts";

/** Accounts, with their keys encrypted. */
export function openAccounts(shared: Shared): Store["accounts"] {
  const { database, check, clock } = shared;
  const read = async (condition: string, values: readonly unknown[]) => {
    await check();
    const sql = `SELECT directory, id, record, key, next_key FROM acmectl.accounts ${condition}`;
    const rows = await database.rows<AccountRow>(sql, values);
    return rows.map((row) => opened(row, shared));
  };
  return {
    list: () => read("ORDER BY directory, id", []),
    ofDirectory: async (directory) =>
      (await read("WHERE directory = $1", [directory])).toSorted(byUse),
    async create({ key, ...record }) {
      await check();
      const { directory, id } = record;
      const createdAt = clock.now().toISOString();
      const made = { ...record, createdAt, keyThumbprints: [thumbprint(key)] };
      await database.count(
        `INSERT INTO acmectl.accounts (directory, id, record, key, revision)
         VALUES ($1, $2, $3, $4, 'first') ON CONFLICT DO NOTHING`,
        [directory, id, JSON.stringify(made), shared.sealing.seal(key, keyOf(record))],
      );
      const [account] = await read("WHERE directory = $1 AND id = $2", [directory, id]);
      if (account === undefined) throw gone(record, shared);
      return account;
    },
    update: (account, change) =>
      changeAccount(account, shared, (before) => ({
        ...before,
        keyThumbprints: thumbprintsOf(before),
        ...change,
      })),
    ...rollovers(shared),
  };
}

function rollovers(
  shared: Shared,
): Pick<Store["accounts"], "beginRollover" | "finishRollover" | "abandonRollover"> {
  return {
    beginRollover: (account, nextKey) =>
      changeAccount(account, shared, (before) => {
        if (before.nextKey === nextKey) return before;
        if (before.nextKey !== undefined) throw unfinished(before, shared);
        const keyThumbprints = [before.key, nextKey].map(thumbprint);
        return { ...before, nextKey, keyThumbprints };
      }),
    finishRollover: (account) =>
      changeAccount(account, shared, (before) => {
        const { key, nextKey = key } = before;
        if (nextKey === key) return before;
        return {
          ...before,
          key: nextKey,
          nextKey: undefined,
          keyThumbprints: [thumbprint(nextKey)],
        };
      }),
    abandonRollover: (account) =>
      changeAccount(account, shared, (before) => ({
        ...before,
        nextKey: undefined,
        keyThumbprints: [thumbprint(before.key)],
      })),
  };
}

interface AccountRow {
  readonly directory: string;
  readonly id: string;
  readonly record: AccountRecord;
  readonly key: string;
  readonly next_key: string | null;
}

type Identity = Pick<AccountRecord, "directory" | "id">;

const keyOf = ({ directory, id }: Identity) =>
  ({ kind: "account key", name: directory, version: id }) as const;
const nextKeyOf = (account: Identity) => ({ ...keyOf(account), kind: "next account key" }) as const;

function opened({ record, key, next_key: next }: AccountRow, shared: Shared): StoredAccount {
  const { sealing, database } = shared;
  const account = {
    ...record,
    key: sealing.open(key, keyOf(record)),
    nextKey: next === null ? undefined : sealing.open(next, nextKeyOf(record)),
    where: `${database.where} (account ${record.id})`,
  };
  if (account.keyThumbprints?.includes(thumbprint(account.key)) === false) throw replaced(account);
  return account;
}

async function changeAccount(
  { directory, id }: Identity,
  shared: Shared,
  change: (account: StoredAccount) => StoredAccount,
): Promise<StoredAccount> {
  const { database, sealing, check } = shared;
  await check();
  const cell = {
    async read() {
      const [row] = await database.rows<AccountRow & { revision: string }>(
        `SELECT directory, id, record, key, next_key, revision FROM acmectl.accounts
         WHERE directory = $1 AND id = $2`,
        [directory, id],
      );
      if (row === undefined) throw gone({ directory, id }, shared);
      return { value: opened(row, shared), revision: row.revision };
    },
    async write(account: StoredAccount, revision: string, before: string | undefined) {
      const { key, nextKey, where: _, ...record } = account;
      const next = nextKey === undefined ? undefined : sealing.seal(nextKey, nextKeyOf(account));
      const changed = await database.count(
        `UPDATE acmectl.accounts SET record = $4, key = $5, next_key = $6, revision = $7
         WHERE directory = $1 AND id = $2 AND revision = $3`,
        [
          directory,
          id,
          before,
          JSON.stringify(record),
          sealing.seal(key, keyOf(account)),
          next,
          revision,
        ],
      );
      return changed === 1;
    },
  };
  return swap(`${database.where} account ${directory} ${id}`, cell, change);
}

const thumbprintsOf = ({ key, nextKey, keyThumbprints }: StoredAccount) =>
  keyThumbprints ?? [key, ...(nextKey === undefined ? [] : [nextKey])].map(thumbprint);

function gone({ directory, id }: Identity, { database }: Shared): Problem {
  return new Problem("machine", {
    detail: `The account ${id} with ${directory} was removed from ${database.where} during this run.`,
    hint: "Run again. If another host removed it on purpose, register one: acmectl account register",
  });
}

function unfinished({ directory }: StoredAccount, { database }: Shared): Problem {
  return new Problem("machine", {
    detail: `A key rollover of the account with ${directory} is unfinished, and the CA may use its next key already.`,
    hint: `Run it again; it first finds out which key the CA uses: ${commandFor(database.where, `account rollover --server ${directory}`)}`,
  });
}

function replaced({ directory, where }: StoredAccount): Problem {
  return new Problem("machine", {
    detail: `The key in ${where} is not the key of its account with ${directory}: it was replaced by another key.`,
    hint: "Restore the state from a backup, and find out who can write to it.",
    retryable: false,
  });
}
