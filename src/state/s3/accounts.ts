import { isRecord } from "../../json.ts";
import { readableName } from "../folder/names.ts";
import type { AccountRows, Identity, SealedAccount } from "../shared/accounts.ts";
import { broken, cellOf, change, readAll } from "./objects.ts";
import type { Shared } from "./shared.ts";

/** Accounts, an object for each. */
export function accountRows({ objects }: Pick<Shared, "objects">): AccountRows {
  const { where } = objects;
  return {
    where,
    async list(directory) {
      const prefix = directory === undefined ? "accounts/" : folderOf(directory);
      const accounts: SealedAccount[] = [];
      for await (const [key, { value }] of readAll(objects, prefix)) {
        if (!isAccount(value)) throw broken(key, where);
        accounts.push(value);
      }
      return accounts;
    },
    async create(account) {
      await change(objects, keyOf(account.record), isAccount, (before) => before ?? account);
    },
    cellOf(identity) {
      const key = keyOf(identity);
      const any = cellOf(objects, key);
      return {
        async read() {
          const { value, ...found } = await any.read();
          if (found.revision === undefined) return { ...found, value: undefined };
          if (!isAccount(value)) throw broken(key, where);
          return { ...found, value };
        },
        write: (account, revision, before) => any.write(account, revision, before),
      };
    },
  };
}

const folderOf = (directory: string) => `accounts/${readableName(directory)}/`;
const keyOf = ({ directory, id }: Identity) => `${folderOf(directory)}${readableName(id)}.json`;

export function isAccount(value: unknown): value is SealedAccount {
  return isRecord(value) && isRecord(value["record"]) && typeof value["key"] === "string";
}
