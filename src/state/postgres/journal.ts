/** What one run leaves to the next beside certificates: unfinished orders, and `post` hooks of this host. */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { Problem } from "../../problem.ts";
import { isHook, isPendingOrder } from "../folder/journal.ts";
import { inTurn } from "../folder/locks/locks.ts";
import type { PendingHook, PendingOrder, Store } from "../store.ts";
import { withKeys } from "../shared/order-keys.ts";
import { fencedCount } from "./leases.ts";
import type { Shared } from "./shared.ts";

/** Unfinished orders, with their keys encrypted. A run that lost the certificate's lease changes none. */
export function openJournal(shared: Shared): Store["journal"] {
  const { database, check } = shared;
  const change = (name: string, sql: string, values: readonly unknown[]) =>
    inTurn(`${database.where} journal ${name}`, () => fencedCount({ name, sql, values }, shared));
  return {
    async names() {
      await check();
      const sql = "SELECT name FROM acmectl.pending_orders ORDER BY name";
      return (await database.rows<{ name: string }>(sql)).map(({ name }) => name);
    },
    async read(name) {
      await check();
      const [row] = await database.rows<{ pending: unknown }>(
        "SELECT pending FROM acmectl.pending_orders WHERE name = $1",
        [name],
      );
      return row && openedOrder(row.pending, name, shared);
    },
    write: (pending) =>
      change(
        pending.name,
        `INSERT INTO acmectl.pending_orders (name, pending) VALUES ($1, $2)
         ON CONFLICT (name) DO UPDATE SET pending = excluded.pending`,
        [pending.name, JSON.stringify(withKeys(pending, pending.name, shared.sealing.seal))],
      ),
    remove: (name) => change(name, "DELETE FROM acmectl.pending_orders WHERE name = $1", [name]),
  };
}

export function openedOrder(pending: unknown, name: string, shared: Shared): PendingOrder {
  const order = withKeys(pending, name, shared.sealing.open);
  if (!isPendingOrder(order)) throw broken(name, shared);
  return order;
}

function broken(name: string, { database }: Shared): Problem {
  return new Problem("machine", {
    detail: `The unfinished order of ${name} in ${database.where} cannot be read.`,
    hint: "Look at it in acmectl.pending_orders, remove the DNS records that are in it, and delete the row: the next run orders again.",
    retryable: false,
  });
}

/** `post` hooks that runs of this host still have to execute. */
export function openPendingHooks({ database, check }: Shared): Store["pendingHooks"] {
  const host = hostname();
  return {
    async list() {
      await check();
      const rows = await database.rows<{ run: string; hook: unknown }>(
        "SELECT run, hook FROM acmectl.pending_hooks WHERE host = $1 ORDER BY id",
        [host],
      );
      const known = rows.flatMap(({ run, hook }) => (isHook(hook) ? [{ run, hook }] : []));
      const byRun: ReadonlyMap<string, { hook: PendingHook }[]> = Map.groupBy(
        known,
        ({ run }) => run,
      );
      return Object.fromEntries(
        [...byRun].map(([run, hooks]) => [run, hooks.map(({ hook }) => hook)]),
      );
    },
    async add(run, hook) {
      await check();
      await database.count(
        `INSERT INTO acmectl.pending_hooks (host, run, hook, revision) VALUES ($1, $2, $3, $4)
         ON CONFLICT (revision) DO NOTHING`,
        [host, run, JSON.stringify(hook), randomUUID()],
      );
    },
    async remove(run) {
      await check();
      await database.count("DELETE FROM acmectl.pending_hooks WHERE host = $1 AND run = $2", [
        host,
        run,
      ]);
    },
  };
}
