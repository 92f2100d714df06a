/** The accounts of the store in a map. */
import { Problem } from "../../src/problem.ts";
import type { AccountRecord, Store, StoredAccount } from "../../src/state/store.ts";

type Account = AccountRecord & { key: string; nextKey?: string | undefined };

export type Get = (key: string) => unknown;

interface Records {
  readonly get: Get;
  readonly put: (key: string, value: unknown) => void;
  readonly below: (prefix: string) => readonly string[];
  readonly now: () => string;
}

export function openAccounts({ get, put, below, now }: Records): Store["accounts"] {
  const read = (key: string): StoredAccount => ({
    ...(get(`account/${key}`) as Account),
    where: key,
  });
  const change = async ({ where }: StoredAccount, edit: (account: Account) => Account) => {
    put(`account/${where}`, edit(get(`account/${where}`) as Account));
    return read(where);
  };
  const rank = ({ status = "valid", url }: Account) =>
    status === "valid" ? Number(url === undefined) : 2;
  const byUse = (a: Account, b: Account) =>
    rank(a) - rank(b) || (b.chosenAt ?? "").localeCompare(a.chosenAt ?? "");
  return {
    list: async () => below("account/").map(read),
    ofDirectory: async (directory) =>
      below("account/")
        .map(read)
        .filter((account) => account.directory === directory)
        .toSorted(byUse),
    async create(account) {
      const key = JSON.stringify([account.directory, account.id]);
      if (get(`account/${key}`) === undefined)
        put(`account/${key}`, { ...account, createdAt: now() });
      return read(key);
    },
    update: (account, fields) => change(account, (before) => ({ ...before, ...fields })),
    beginRollover: (account, nextKey) =>
      change(account, (before) => {
        if (before.nextKey !== undefined && before.nextKey !== nextKey)
          throw new Problem("machine", { detail: "A key rollover of this account is unfinished." });
        return { ...before, nextKey };
      }),
    finishRollover: (account) =>
      change(account, ({ nextKey, ...before }) => ({ ...before, key: nextKey ?? before.key })),
    abandonRollover: (account) => change(account, ({ nextKey: _nextKey, ...before }) => before),
  };
}
