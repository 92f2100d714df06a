import type { Store } from "../store.ts";
import { fencedCount } from "./leases.ts";
import type { Shared } from "./shared.ts";

/** Keys that were announced before a certificate is issued for them. */
export function nextKeys(
  shared: Shared,
): Pick<Store["certificates"], "readNextKey" | "saveNextKey"> {
  const { database, check, sealing } = shared;
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
      const sealed = privateKey && sealing.seal(privateKey, whatOfNextKey(name, keyType));
      const [sql, values] =
        sealed === undefined ? [removed, [name, keyType]] : [saved, [name, keyType, sealed]];
      await fencedCount({ name, sql, values }, shared);
    },
  };
}

const removed = "DELETE FROM acmectl.next_keys WHERE name = $1 AND key_type = $2";
const saved = `
INSERT INTO acmectl.next_keys (name, key_type, private_key) VALUES ($1, $2, $3)
ON CONFLICT (name, key_type) DO UPDATE SET private_key = excluded.private_key`;

export const whatOfNextKey = (name: string, version: string) => ({
  kind: "next key",
  name,
  version,
});
