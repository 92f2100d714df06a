/** What a run that has lost its locks must not change any more. */
import type { Lock, Store } from "../../src/state/store.ts";
import { newVersion, requestOf } from "./material.ts";
import { never } from "./state.ts";

const atOnce = { wait: 0, signal: never };
export const directory = "https://acme.example.org/directory";
const shop = { ...requestOf("shop"), labels: { team: "shop" } };
export const order = { directory, accountId: "thumb", requestHash: "old", startedAt: "2026-03-01" };
const refusal = { pem: "-", why: "-", directory, orderUrl: "-", at: "2026-03-01" };

export const lateChanges: Readonly<
  Record<string, (store: Store, key: string) => Promise<unknown>>
> = {
  "write the journal": ({ journal }) => journal.write({ name: "shop", presented: [], ...order }),
  "remove the journal": ({ journal }) => journal.remove("shop"),
  "save the request": ({ certificates }) => certificates.saveRequest(shop),
  "change the status": ({ certificates }) =>
    certificates.updateStatus("shop", () => ({ failures: 7 })),
  "save the next key": ({ certificates }, key) => certificates.saveNextKey("shop", "ec256", key),
  "remove the next key": ({ certificates }) => certificates.saveNextKey("shop", "ec256", undefined),
  "keep a refused certificate": ({ certificates }, privateKey) =>
    certificates.keepRefused("shop", { ...refusal, privateKey }),
  "keep another form of the certificate": ({ certificates }) =>
    certificates.saveAlternate("shop", 1, 1, "late"),
  "delete the certificate": ({ certificates }) => certificates.remove("shop"),
  "change the account": async ({ accounts }) => {
    const [account] = await accounts.list();
    if (account) await accounts.update(account, { status: "deactivated" });
  },
  "begin a key rollover": async ({ accounts }, key) => {
    const [account] = await accounts.list();
    if (account) await accounts.beginRollover(account, key);
  },
};

/** Takes the locks of a certificate and an account, and fills both. */
export async function lockedAndFilled(store: Store): Promise<{ key: string; locks: Lock[] }> {
  const locks = await takeBoth(store);
  const { privateKey: key } = await newVersion("01");
  await store.accounts.create({ id: "thumb", directory, key, contact: [] });
  await store.certificates.saveRequest(requestOf("shop"));
  const [lock] = locks;
  await store.certificates.commit("shop", await newVersion("01"), lock);
  await store.certificates.saveNextKey("shop", "ec256", (await newVersion("02")).privateKey);
  await store.journal.write({ ...order, name: "shop", presented: [], requestHash: "new" });
  return { key, locks };
}

export async function takeBoth(store: Store): Promise<[Lock, Lock]> {
  return [
    await store.lock("certificate:shop", atOnce),
    await store.lock(`account:${directory}`, atOnce),
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
