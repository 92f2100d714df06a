/** A state with one of everything. */
import type { Store } from "../../src/state/store.ts";
import { newVersion, requestOf } from "./material.ts";
import { never } from "./state.ts";

export async function filledState(store: Store): Promise<void> {
  const directory = "https://acme.example.org/directory";
  const [account, version, next] = await Promise.all(
    ["01", "02", "03"].map((serial) => newVersion(serial)),
  );
  if (account === undefined || version === undefined || next === undefined) throw new Error();
  const made = await store.accounts.create({
    id: "thumb",
    directory,
    key: account.privateKey,
    contact: ["mailto:ops@example.com"],
  });
  await store.accounts.update(made, { url: "https://acme.example.org/acct/1", status: "valid" });
  await store.certificates.saveRequest(requestOf("shop"));
  const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
  await store.certificates.commit("shop", version, lock);
  await store.journal.write({
    name: "shop",
    directory,
    accountId: "thumb",
    privateKey: next.privateKey,
    requestHash: "abc",
    startedAt: "2026-03-01T00:00:00.000Z",
    presented: [],
  });
  await lock.release();
  await store.certificates.updateStatus("shop", (status) => ({ ...status, failures: 2 }));
  await store.certificates.saveNextKey("shop", "ec256", next.privateKey);
  const entry = { at: "2026-03-01T00:00:00.000Z", event: "order", names: ["a.example"] } as const;
  await store.ledger.update(directory, () => ({ entries: [entry], pauses: [] }));
  await store.solverState("acme-dns").set("example.com", { password: "p" });
  await store.pendingHooks.add("run-1", { run: "true" });
}
