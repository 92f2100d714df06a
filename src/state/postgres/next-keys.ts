import type { Store } from "../store.ts";
import type { Shared } from "./shared.ts";

/** Keys that were announced before a certificate is issued for them. */
export function nextKeys({
  database,
  check,
  sealing,
}: Shared): Pick<Store["certificates"], "readNextKey" | "saveNextKey"> {
  return {
    async readNextKey(name, keyType) {
      await check();
      const [row] = await database.rows<{ private_key: string }>(
        "SELECT private_key FROM acmectl.next_keys WHERE name = $1 AND key_type = $2",
        [name, keyType],
      );
      return row && sealing.open(row.private_key, whatOfNextKey(name, keyType));
    },
    async saveNextKey(name, keyType, privateKey) {
      await check();
      await (privateKey === undefined
        ? database.count("DELETE FROM acmectl.next_keys WHERE name = $1 AND key_type = $2", [
            name,
            keyType,
          ])
        : database.count(
            `INSERT INTO acmectl.next_keys (name, key_type, private_key) VALUES ($1, $2, $3)
             ON CONFLICT (name, key_type) DO UPDATE SET private_key = excluded.private_key`,
            [name, keyType, sealing.seal(privateKey, whatOfNextKey(name, keyType))],
          ));
    },
  };
}

export const whatOfNextKey = (name: string, version: string) => ({
  kind: "next key",
  name,
  version,
});
