import type { AccountRecord } from "../store.ts";
import type { AccountRows, Identity, SealedAccount } from "../shared/accounts.ts";
import type { Cell } from "../shared/swap.ts";
import type { Shared } from "./shared.ts";

/** Accounts, a row for each. */
export function accountRows(shared: Pick<Shared, "database" | "check">): AccountRows {
  const { database, check } = shared;
  return {
    where: database.where,
    async list(directory) {
      await check();
      const [condition, values] =
        directory === undefined ? ["", []] : ["WHERE directory = $1", [directory]];
      const sql = `SELECT record, key, next_key FROM acmectl.accounts ${condition} ORDER BY directory, id`;
      return (await database.rows<AccountRow>(sql, values)).map(sealedOf);
    },
    async create({ record, key }) {
      await check();
      await database.count(
        `INSERT INTO acmectl.accounts (directory, id, record, key, revision)
         VALUES ($1, $2, $3, $4, 'first') ON CONFLICT DO NOTHING`,
        [record.directory, record.id, JSON.stringify(record), key],
      );
    },
    cellOf: (identity) => cellOf(identity, shared),
  };
}

interface AccountRow {
  readonly record: AccountRecord;
  readonly key: string;
  readonly next_key: string | null;
}

function sealedOf({ record, key, next_key: nextKey }: AccountRow): SealedAccount {
  return { record, key, nextKey: nextKey ?? undefined };
}

function cellOf(
  { directory, id }: Identity,
  { database, check }: Pick<Shared, "database" | "check">,
): Cell<SealedAccount | undefined> {
  return {
    async read() {
      await check();
      const [row] = await database.rows<AccountRow & { revision: string }>(
        `SELECT record, key, next_key, revision FROM acmectl.accounts
         WHERE directory = $1 AND id = $2`,
        [directory, id],
      );
      return { value: row && sealedOf(row), revision: row?.revision };
    },
    async write(account, revision, before) {
      if (account === undefined) return false;
      const { record, key, nextKey } = account;
      const changed = await database.count(
        `UPDATE acmectl.accounts SET record = $4, key = $5, next_key = $6, revision = $7
         WHERE directory = $1 AND id = $2 AND revision = $3`,
        [directory, id, before, JSON.stringify(record), key, nextKey, revision],
      );
      return changed === 1;
    },
  };
}
