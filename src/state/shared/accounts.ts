/** Accounts of a shared state, with their keys encrypted. */
import { thumbprint } from "../../acme/keys.ts";
import type { Clock } from "../../clock.ts";
import { Problem } from "../../problem.ts";
import { byUse } from "../folder/accounts.ts";
import type { Sealing } from "../sealing.ts";
import type { AccountRecord, Store, StoredAccount } from "../store.ts";
import { commandFor } from "../url.ts";
import type { Leases } from "./leases.ts";
import { swap, type Cell } from "./swap.ts";

/** As it is stored. */
export interface SealedAccount {
  readonly record: AccountRecord;
  readonly key: string;
  readonly nextKey?: string | undefined;
}
export type Identity = Pick<AccountRecord, "directory" | "id">;

/** Where they are kept. */
export interface AccountRows {
  readonly where: string;
  /** All, or those of one directory. */
  list(directory?: string): Promise<readonly SealedAccount[]>;
  /** Does nothing when it is there already. */
  create(account: SealedAccount): Promise<void>;
  cellOf(identity: Identity): Cell<SealedAccount | undefined>;
}

interface AccountTools {
  readonly sealing: Sealing;
  readonly clock: Clock;
  readonly rows: AccountRows;
  readonly assertHeld: Leases["assertHeld"];
}

export function openAccounts(tools: AccountTools): Store["accounts"] {
  const { rows, clock, sealing, assertHeld } = tools;
  const list = async (directory?: string) =>
    (await rows.list(directory)).map((one) => opened(one, tools));
  return {
    list: () => list(),
    ofDirectory: async (directory) => (await list(directory)).toSorted(byUse),
    async create({ key, ...record }) {
      const createdAt = clock.now().toISOString();
      const made = { ...record, createdAt, keyThumbprints: [thumbprint(key)] };
      await assertHeld(`account:${record.directory}`);
      await rows.create({ record: made, key: sealing.seal(key, accountKey(record)) });
      const { value } = await rows.cellOf(record).read();
      if (value === undefined) throw gone(record, rows);
      return opened(value, tools);
    },
    update: (account, change) =>
      changeAccount(account, tools, (before) => ({
        ...before,
        keyThumbprints: thumbprintsOf(before),
        ...change,
      })),
    ...rollovers(tools),
  };
}

function rollovers(
  tools: AccountTools,
): Pick<Store["accounts"], "beginRollover" | "finishRollover" | "abandonRollover"> {
  return {
    beginRollover: (account, nextKey) =>
      changeAccount(account, tools, (before) => {
        if (before.nextKey === nextKey) return before;
        if (before.nextKey !== undefined) throw unfinished(before, tools.rows);
        const keyThumbprints = [before.key, nextKey].map(thumbprint);
        return { ...before, nextKey, keyThumbprints };
      }),
    finishRollover: (account) =>
      changeAccount(account, tools, (before) => {
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
      changeAccount(account, tools, (before) => ({
        ...before,
        nextKey: undefined,
        keyThumbprints: [thumbprint(before.key)],
      })),
  };
}

export const accountKey = ({ directory, id }: Identity) =>
  ({ kind: "account key", name: directory, version: id }) as const;
export const nextAccountKey = (account: Identity) =>
  ({ ...accountKey(account), kind: "next account key" }) as const;

function opened({ record, key, nextKey }: SealedAccount, tools: AccountTools): StoredAccount {
  const { sealing, rows } = tools;
  const account = {
    ...record,
    key: sealing.open(key, accountKey(record)),
    nextKey: nextKey === undefined ? undefined : sealing.open(nextKey, nextAccountKey(record)),
    where: `${rows.where} (account ${record.id})`,
  };
  if (account.keyThumbprints?.includes(thumbprint(account.key)) === false) throw replaced(account);
  return account;
}

function sealed(account: StoredAccount, { seal }: Sealing): SealedAccount {
  const { key, nextKey, where: _, ...record } = account;
  return {
    record,
    key: seal(key, accountKey(account)),
    nextKey: nextKey === undefined ? undefined : seal(nextKey, nextAccountKey(account)),
  };
}

function changeAccount(
  identity: Identity,
  tools: AccountTools,
  change: (account: StoredAccount) => StoredAccount,
): Promise<StoredAccount> {
  const { rows, sealing, assertHeld } = tools;
  const cell = rows.cellOf(identity);
  const openedCell: Cell<StoredAccount> = {
    async read() {
      const { value, ...read } = await cell.read();
      if (value === undefined) throw gone(identity, rows);
      return { ...read, value: opened(value, tools) };
    },
    write: (account, revision, before) => cell.write(sealed(account, sealing), revision, before),
  };
  return swap(
    `${rows.where} account ${identity.directory} ${identity.id}`,
    openedCell,
    async (account) => {
      await assertHeld(`account:${identity.directory}`);
      return change(account);
    },
  );
}

const thumbprintsOf = ({ key, nextKey, keyThumbprints }: StoredAccount) =>
  keyThumbprints ?? [key, ...(nextKey === undefined ? [] : [nextKey])].map(thumbprint);

function gone({ directory, id }: Identity, { where }: AccountRows): Problem {
  return new Problem("machine", {
    detail: `The account ${id} with ${directory} was removed from ${where} during this run.`,
    hint: "Run again. If another host removed it on purpose, register one: acmectl account register",
  });
}

function unfinished({ directory }: StoredAccount, { where }: AccountRows): Problem {
  return new Problem("machine", {
    detail: `A key rollover of the account with ${directory} is unfinished, and the CA may use its next key already.`,
    hint: `Run it again; it first finds out which key the CA uses: ${commandFor(where, `account rollover --server ${directory}`)}`,
  });
}

function replaced({ directory, where }: StoredAccount): Problem {
  return new Problem("machine", {
    detail: `The key in ${where} is not the key of its account with ${directory}: it was replaced by another key.`,
    hint: "Restore the state from a backup, and find out who can write to it.",
    retryable: false,
  });
}
