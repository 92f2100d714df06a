/** The rows of the ledger in PostgreSQL. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withEntry, withoutEntry, type LedgerEntry } from "../../src/state/ledger.ts";
import { openAt } from "../state/shared/state.ts";
import { hasPostgres, startPostgres, type Postgres } from "../support/servers/postgres.ts";

const directory = "https://acme.example.org/directory";
const account = "https://acme.example.org/acct/1";

describe.skipIf(!hasPostgres())("the ledger in PostgreSQL", () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const opened = async () => {
    const database = await server.createDatabase();
    const store = await openAt(server.url(database));
    await store.init();
    return { database, store };
  };
  const names = ["shop.example.com"];
  const about = { events: ["order", "certificate", "failure"], account, names } as const;

  test("is read and changed by what concerns one order alone", async () => {
    const { store, database } = await opened();
    const at = new Date(Date.now() - 3_600_000).toISOString();
    const entries = Array.from({ length: 1000 }, (_, index): LedgerEntry[] => [
      { at, event: "order", account: `${account}${index % 50}0`, names: [`n${index}.example`] },
      { at, event: "certificate", account, names: [`www.n${index}.example`] },
    ]).flat();
    await store.ledger.update(directory, () => ({ entries, pauses: [] }));
    const rows = () => server.query(database, "SELECT id FROM acmectl.ledger_entries ORDER BY id");
    const before = await rows();
    const entry = { at: new Date().toISOString(), event: "order", account, names } as const;
    const add = (ledger: Parameters<typeof withEntry>[0]) => withEntry(ledger, entry, new Date());
    const after = await store.ledger.update(directory, add, about);
    expect(after.entries).toEqual([entry]);
    await store.ledger.update(directory, (ledger) => withoutEntry(ledger, entry), about);
    // None was written again.
    expect(await rows()).toEqual(before);
    expect((await store.ledger.read(directory)).entries).toHaveLength(2000);
  });

  test("loses what no limit counts any more", async () => {
    const { store, database } = await opened();
    const old = { at: "2020-01-01T00:00:00.000Z", event: "order", account, names } as const;
    await store.ledger.update(directory, () => ({ entries: [old], pauses: [] }));
    const fresh = { ...old, at: new Date().toISOString() };
    const none = { events: [], account: undefined, names: [] };
    await store.ledger.update(directory, (ledger) => withEntry(ledger, fresh, new Date()), none);
    const rows = await server.query(database, "SELECT entry FROM acmectl.ledger_entries");
    expect(rows).toEqual([{ entry: fresh }]);
  });
});
