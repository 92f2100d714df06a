import { isRecord } from "../../json.ts";
import type { Store } from "../store.ts";
import { partOf } from "./head.ts";
import { change } from "./objects.ts";
import type { Shared } from "./shared.ts";

/** Keys that were announced before a certificate is issued for them. */
export function nextKeys({
  objects,
  sealing,
  assertHeld,
}: Shared): Pick<Store["certificates"], "readNextKey" | "saveNextKey"> {
  return {
    async readNextKey(name, keyType) {
      const found = await objects.read(keyOf(name, keyType));
      if (!isRecord(found?.value)) return undefined;
      const { privateKey } = found.value;
      return typeof privateKey === "string"
        ? sealing.open(privateKey, whatOfNextKey(name, keyType))
        : undefined;
    },
    async saveNextKey(name, keyType, privateKey) {
      const key = keyOf(name, keyType);
      const lease = `certificate:${name}`;
      if (privateKey === undefined) {
        const found = await objects.read(key);
        await assertHeld(lease);
        // One that another run has announced since has another etag.
        return found && objects.remove(key, found.etag);
      }
      const sealed = sealing.seal(privateKey, whatOfNextKey(name, keyType));
      await change(objects, key, isRecord, async () => {
        await assertHeld(lease);
        return { name, keyType, privateKey: sealed };
      });
    },
  };
}

const keyOf = (name: string, keyType: string) => `next-keys/${partOf(name)}/${keyType}.json`;

export const whatOfNextKey = (name: string, version: string) => ({
  kind: "next key",
  name,
  version,
});
