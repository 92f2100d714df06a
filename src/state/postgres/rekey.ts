/** Encrypts with the first state key what another one has encrypted, row by row, beside runs that go on. */
import { noKeyGiven, type Sealed } from "../sealing.ts";
import { accountKey, nextAccountKey } from "../shared/accounts.ts";
import { withKeys } from "../shared/order-keys.ts";
import { keyOf } from "../shared/version.ts";
import { openedOrder } from "./journal.ts";
import type { Shared } from "./shared.ts";
import { whatOfNextKey } from "./next-keys.ts";
import { whatOfValue } from "./solver-state.ts";
import { refusedKey } from "./versions.ts";

type Keys = readonly [name: string, version: string];

/** A column with one encrypted text, and the two columns that identify its row. */
interface Column {
  readonly table: string;
  readonly column: string;
  readonly keys: readonly [string, string];
  readonly what: (keys: Keys) => Sealed;
}

const columns: readonly Column[] = [
  {
    table: "accounts",
    column: "key",
    keys: ["directory", "id"],
    what: ([directory, id]) => accountKey({ directory, id }),
  },
  {
    table: "accounts",
    column: "next_key",
    keys: ["directory", "id"],
    what: ([directory, id]) => nextAccountKey({ directory, id }),
  },
  {
    table: "versions",
    column: "private_key",
    keys: ["name", "version"],
    what: ([name, version]) => keyOf(name, Number(version)),
  },
  {
    table: "refused",
    column: "private_key",
    keys: ["name", "number"],
    what: ([name, number]) => refusedKey(name, Number(number)),
  },
  {
    table: "next_keys",
    column: "private_key",
    keys: ["name", "key_type"],
    what: ([name, type]) => whatOfNextKey(name, type),
  },
  {
    table: "solver_values",
    column: "value",
    keys: ["solver", "key"],
    what: ([solver, key]) => whatOfValue(solver, key),
  },
];

export async function rekeyDatabase(shared: Shared, signal: AbortSignal): Promise<number> {
  const { mark } = shared.sealing;
  if (mark === undefined) throw noKeyGiven();
  let count = 0;
  for (const column of columns) count += await rekeyColumn(column, mark, shared, signal);
  count += await rekeySecond(mark, shared, signal);
  return count + (await rekeyOrders(mark, shared, signal));
}

const page = 200;

/** Until nothing is left that another key has encrypted. A text that a run has replaced meanwhile is not changed. */
async function rekeyColumn(
  { table, column, keys: [first, second], what }: Column,
  mark: string,
  { database, sealing }: Shared,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (;;) {
    const rows = await database.rows<{ one: string; other: string; sealed: string }>(
      `SELECT ${first} AS one, ${second}::text AS other, ${column} AS sealed FROM acmectl.${table}
       WHERE NOT starts_with(${column}, $1) LIMIT ${page}`,
      [mark],
    );
    if (rows.length === 0) return count;
    for (const { one, other, sealed } of rows) {
      signal.throwIfAborted();
      const keys = [one, other] as const;
      const text = sealing.seal(sealing.open(sealed, what(keys)), what(keys));
      count += await database.count(
        `UPDATE acmectl.${table} SET ${column} = $4
         WHERE ${first} = $1 AND ${second}::text = $2 AND ${column} = $3`,
        [one, other, sealed, text],
      );
    }
  }
}

/** The second keys of certificates are in a document. Versions do not change once they are written. */
async function rekeySecond(
  mark: string,
  { database, sealing }: Shared,
  signal: AbortSignal,
): Promise<number> {
  const rows = await database.rows<{ name: string; version: number; key: string; type: string }>(
    `SELECT name, version, second ->> 'privateKey' AS key, meta -> 'second' ->> 'keyType' AS type
     FROM acmectl.versions WHERE NOT starts_with(second ->> 'privateKey', $1)`,
    [mark],
  );
  let count = 0;
  for (const { name, version, key, type } of rows) {
    signal.throwIfAborted();
    const what = keyOf(name, version, type);
    count += await database.count(
      `UPDATE acmectl.versions
       SET second = (second::jsonb || jsonb_build_object('privateKey', $3::text))::json
       WHERE name = $1 AND version = $2`,
      [name, version, sealing.seal(sealing.open(key, what), what)],
    );
  }
  return count;
}

async function rekeyOrders(mark: string, shared: Shared, signal: AbortSignal): Promise<number> {
  const { database } = shared;
  const rows = await database.rows<{ name: string; text: string }>(
    `SELECT name, pending::text AS text FROM acmectl.pending_orders WHERE pending::text LIKE '%"privateKey"%'`,
  );
  let count = 0;
  for (const { name, text } of rows) {
    signal.throwIfAborted();
    const keys = [...text.matchAll(/"privateKey":"([^"]*)"/g)].map(([, sealed = ""]) => sealed);
    if (keys.every((sealed) => sealed.startsWith(mark))) continue;
    const order = openedOrder(JSON.parse(text), name, shared);
    const sealed = JSON.stringify(withKeys(order, name, shared.sealing.seal));
    count += await database.count(
      "UPDATE acmectl.pending_orders SET pending = $3 WHERE name = $1 AND pending::text = $2",
      [name, text, sealed],
    );
  }
  return count;
}
