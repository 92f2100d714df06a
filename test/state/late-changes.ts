/** What a run that has lost its locks must not change any more. */
import type { Lock, Store, StoredAccount } from "../../src/state/store.ts";
import { newVersion, requestOf } from "./material.ts";
import { never } from "./state.ts";

const atOnce = { wait: 0, signal: never };
export const directory = "https://acme.example.org/directory";
/** Of an account whose key is being changed. */
const rolling = "https://rolling.example.org/directory";
const shop = { ...requestOf("shop"), labels: { team: "shop" } };
export const order = { directory, accountId: "thumb", requestHash: "old", startedAt: "2026-03-01" };
const refusal = { pem: "-", why: "-", directory, orderUrl: "-", at: "2026-03-01" };

interface Filled {
  readonly key: string;
  readonly locks: readonly [Lock, Lock, Lock];
  readonly account: StoredAccount;
  readonly rolling: StoredAccount;
}

export const lateChanges: Readonly<
  Record<string, (store: Store, filled: Filled) => Promise<unknown>>
> = {
  "write the journal": ({ journal }) => journal.write({ name: "shop", presented: [], ...order }),
  "remove the journal": ({ journal }) => journal.remove("shop"),
  "save the request": ({ certificates }) => certificates.saveRequest(shop),
  "change the status": ({ certificates }) =>
    certificates.updateStatus("shop", () => ({ failures: 7 })),
  "save the next key": ({ certificates }, { key }) =>
    certificates.saveNextKey("shop", "ec256", key),
  "remove the next key": ({ certificates }) => certificates.saveNextKey("shop", "ec256", undefined),
  "keep a refused certificate": ({ certificates }, { key }) =>
    certificates.keepRefused("shop", { ...refusal, privateKey: key }),
  "keep another form of the certificate": ({ certificates }) =>
    certificates.saveAlternate("shop", 1, 1, "late"),
  "put a certificate to use": async ({ certificates }, { locks: [lock] }) =>
    certificates.commit("shop", await newVersion("03"), lock),
  "delete the certificate": ({ certificates }) => certificates.remove("shop"),
  "make an account": ({ accounts }, { key }) =>
    accounts.create({ id: "late", directory, key, contact: [] }),
  "change the account": ({ accounts }, { account }) =>
    accounts.update(account, { status: "deactivated" }),
  "begin a key rollover": ({ accounts }, { account, key }) => accounts.beginRollover(account, key),
  "finish a key rollover": ({ accounts }, filled) => accounts.finishRollover(filled.rolling),
  "abandon a key rollover": ({ accounts }, filled) => accounts.abandonRollover(filled.rolling),
};

/** What a run may do whether it has its locks or not. Functions of the store are here or in `lateChanges`. */
export const always: Readonly<Record<string, readonly string[]>> = {
  "changes nothing": [
    ...["exists", "checkWritable", "isLocked", "solverValues", "accounts.list"],
    ...["accounts.ofDirectory", "journal.names", "journal.read", "ledger.read"],
    ...["pendingHooks.list", "answers.list"],
    ...["names", "read", "list", "due", "nextDue", "count", "namesakes", "recall", "files"].map(
      (name) => `certificates.${name}`,
    ),
    ...["foreignFiles", "readPrivateKey", "readNextKey", "readCertificate"].map(
      (name) => `certificates.${name}`,
    ),
    ...["certificates.versions", "certificates.refused"],
  ],
  "takes locks of its own": ["lock", "claim"],
  "changes only what is still as it was read": ["init", "check", "rekey"],
  "adds facts, which any run may add": ["ledger.update", "hosts.record", "hosts.forget"],
  "is of this run or this host alone": ["pendingHooks.add", "pendingHooks.remove"],
  "is of one authorization, and ends by itself": ["answers.put", "answers.remove"],
  "may be forgotten, and is compared with all certificates": ["certificates.note"],
  "has locks of its solver": ["solverState"],
};

/** The functions that `lateChanges` call. */
export async function refusedFunctions(): Promise<readonly string[]> {
  const called: string[] = [];
  const noting = (path: string): unknown =>
    new Proxy(() => undefined, {
      get: (_, name) => noting(`${path}.${String(name)}`),
      apply: () => called.push(path.slice(1)),
    });
  const nothing: unknown = { locks: [] };
  const [store, filled] = [noting("") as Store, nothing as Filled];
  for (const change of Object.values(lateChanges)) await change(store, filled);
  return called;
}

/** All of them, as `accounts.list`. */
export function functionsOf(store: Store): readonly string[] {
  return Object.entries(store).flatMap(([name, part]) => {
    if (typeof part === "function") return [name];
    return typeof part === "object" ? Object.keys(part).map((one) => `${name}.${one}`) : [];
  });
}

/** Takes the locks of a certificate and two accounts, and fills them. */
export async function lockedAndFilled(store: Store): Promise<Filled> {
  const locks = await takeAll(store);
  const [lock] = locks;
  const [{ privateKey: key }, { privateKey: nextKey }] = [
    await newVersion("01"),
    await newVersion("02"),
  ];
  const of = { key, contact: [] };
  const account = await store.accounts.create({ id: "thumb", directory, ...of });
  const other = await store.accounts.create({ id: "rolling", directory: rolling, ...of });
  await store.certificates.saveRequest(requestOf("shop"));
  await store.certificates.commit("shop", await newVersion("01"), lock);
  await store.certificates.saveNextKey("shop", "ec256", nextKey);
  await store.journal.write({ ...order, name: "shop", presented: [], requestHash: "new" });
  return { key, locks, account, rolling: await store.accounts.beginRollover(other, nextKey) };
}

const lateLocks = ["certificate:shop", `account:${directory}`, `account:${rolling}`] as const;

export async function takeAll(store: Store): Promise<[Lock, Lock, Lock]> {
  const [certificate, account, other] = lateLocks;
  return [
    await store.lock(certificate, atOnce),
    await store.lock(account, atOnce),
    await store.lock(other, atOnce),
  ];
}

/** All that `lateChanges` would change. */
export async function allOf({ accounts, certificates, journal }: Store): Promise<unknown> {
  return {
    accounts: await accounts.list(),
    certificate: await certificates.read("shop"),
    versions: await certificates.versions("shop"),
    refused: await certificates.refused("shop"),
    nextKey: await certificates.readNextKey("shop", "ec256"),
    pending: await journal.read("shop"),
  };
}
