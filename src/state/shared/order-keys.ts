import { isRecord } from "../../json.ts";
import type { Sealing } from "../sealing.ts";

/** An unfinished order with every private key in it, wherever it has one, encrypted or decrypted with its place as the version. */
export function withKeys(value: unknown, name: string, turn: Sealing["seal"], place = ""): unknown {
  if (Array.isArray(value))
    return value.map((one: unknown, index) => withKeys(one, name, turn, `${place}/${index}`));
  if (!isRecord(value)) return value;
  const members = Object.entries(value).map(([key, one]) => {
    const version = `${place}/${key}`;
    const isKey = key === "privateKey" && typeof one === "string";
    const turned = isKey
      ? turn(one, { kind: "order key", name, version })
      : withKeys(one, name, turn, version);
    return [key, turned] as const;
  });
  return Object.fromEntries(members);
}
