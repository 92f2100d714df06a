/** Encrypts with the first state key what another one has encrypted, object by object, beside runs that go on. */
import { isRecord } from "../../json.ts";
import { noKeyGiven, type Sealed } from "../sealing.ts";
import { accountKey, nextAccountKey } from "../shared/accounts.ts";
import { withKeys } from "../shared/order-keys.ts";
import { keyOf } from "../shared/version.ts";
import { isAccount } from "./accounts.ts";
import { heads, isHead } from "./head.ts";
import { whatOfNextKey } from "./next-keys.ts";
import { change, readAll } from "./objects.ts";
import { isSolverValue, whatOfValue } from "./records.ts";
import type { Shared } from "./shared.ts";
import { isVersion, refusedKey } from "./versions.ts";

/** One encrypted text, decrypted and encrypted anew, unless the first key did it. */
type Turn = (sealed: string, what: Sealed) => string;

export async function rekeyObjects(
  { objects, sealing }: Shared,
  signal: AbortSignal,
): Promise<number> {
  const { mark } = sealing;
  if (mark === undefined) throw noKeyGiven();
  const turn: Turn = (sealed, what) =>
    sealed.startsWith(mark) ? sealed : sealing.seal(sealing.open(sealed, what), what);
  let count = 0;
  for (const [prefix, rekeyed] of Object.entries(kinds))
    for await (const [key, { value }] of readAll(objects, prefix)) {
      signal.throwIfAborted();
      if (!isRecord(value)) continue;
      const of = (one: Readonly<Record<string, unknown>>) => rekeyed(one, turn, key) ?? one;
      if (isSame(of(value), value)) continue;
      await change(objects, key, isRecord, (before) => before && of(before));
      count += 1;
    }
  return count;
}

type Rekeyed = (
  value: Readonly<Record<string, unknown>>,
  turn: Turn,
  key: string,
) => Record<string, unknown> | undefined;

/** What of the objects of each prefix is encrypted, and as what. */
const kinds: Readonly<Record<string, Rekeyed>> = {
  "accounts/": (value, turn) => {
    if (!isAccount(value)) return undefined;
    const { record, key, nextKey } = value;
    return {
      ...value,
      key: turn(key, accountKey(record)),
      nextKey: nextKey && turn(nextKey, nextAccountKey(record)),
    };
  },
  [heads]: (value, turn) =>
    isHead(value) && value.pending !== undefined
      ? { ...value, pending: withKeys(value.pending, value.name, turn) }
      : undefined,
  "versions/": (value, turn) => {
    if (!isVersion(value)) return undefined;
    const { name, number, meta, privateKey, second } = value;
    const own = (sealed: string | null | undefined, type?: string) =>
      sealed && turn(sealed, keyOf(name, number, type));
    return {
      ...value,
      privateKey: own(privateKey),
      second: second && { ...second, privateKey: own(second.privateKey, meta.second?.keyType) },
    };
  },
  "refused/": ({ name, privateKey, ...value }, turn, key) =>
    typeof name === "string" && typeof privateKey === "string"
      ? { name, ...value, privateKey: turn(privateKey, refusedKey(name, key)) }
      : undefined,
  "next-keys/": ({ name, keyType, privateKey }, turn) =>
    typeof name === "string" && typeof keyType === "string" && typeof privateKey === "string"
      ? { name, keyType, privateKey: turn(privateKey, whatOfNextKey(name, keyType)) }
      : undefined,
  "solvers/": (stored, turn) => {
    if (!isSolverValue(stored)) return undefined;
    const { solver, key, value } = stored;
    return { solver, key, value: turn(value, whatOfValue(solver, key)) };
  },
};

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
