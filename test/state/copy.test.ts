import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { copyState, type CopiedItem } from "../../src/state/copy.ts";
import type { Store } from "../../src/state/store.ts";
import { temporaryFolder } from "../support/state.ts";
import { newVersion, requestOf } from "./material.ts";
import { openMemoryStore } from "./memory.ts";
import { filledState } from "./filled.ts";
import { never, openStore } from "./state.ts";

async function copied(from: Store, to: Store): Promise<readonly CopiedItem[]> {
  const items: CopiedItem[] = [];
  for await (const item of copyState(from, to, never)) items.push(item);
  return items;
}

const outcomes = (items: readonly CopiedItem[]) => [...new Set(items.map((one) => one.outcome))];

async function emptyState(): Promise<Store> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return openMemoryStore(new Map(), join(folder.path, "files"), systemClock);
}

test("a copy has everything, and a second one changes nothing", async () => {
  const { store: from } = await openStore();
  await filledState(from);
  const to = await emptyState();
  const first = await copied(from, to);
  expect(outcomes(first)).toEqual(["copied"]);
  expect(first.map(({ item }) => item)).toEqual([
    "account thumb with https://acme.example.org/directory",
    "certificate shop",
    "unfinished order of shop",
    "ledger of https://acme.example.org/directory",
    "value example.com of the solver acme-dns",
    "post hooks of the run run-1",
  ]);
  expect(outcomes(await copied(from, to))).toEqual(["unchanged"]);
  // And back into a folder.
  const { store: back } = await openStore();
  await copied(to, back);
  expect(await back.certificates.read("shop")).toEqual(await from.certificates.read("shop"));
  expect(await back.certificates.readNextKey("shop", "ec256")).toBe(
    await from.certificates.readNextKey("shop", "ec256"),
  );
});

test("an entry of a ledger is the same whatever the order of its members", async () => {
  const [{ store: from }, { store: to }] = [await openStore(), await openStore()];
  await filledState(from);
  const directory = "https://acme.example.org/directory";
  const at = "2026-03-01T00:00:00.000Z";
  const entry = { names: ["a.example"], event: "order", at } as const;
  await to.ledger.update(directory, () => ({ entries: [entry], pauses: [] }));
  const items = await copied(from, to);
  expect(items).toContainEqual({ item: `ledger of ${directory}`, outcome: "unchanged" });
  expect((await to.ledger.read(directory)).entries).toEqual([entry]);
});

test("a deployment of the version in use stays, whatever its number is in the other state", async () => {
  const { store: from } = await openStore();
  await filledState(from);
  const lock = await from.lock("certificate:shop", { wait: 0, signal: never });
  const { version } = await from.certificates.commit("shop", await newVersion("02"), lock);
  await lock.release();
  const at = "2026-01-01T00:00:00.000Z";
  const deploy = {
    new: { version, state: "done", at },
    old: { version: 1, state: "failed", at },
  } as const;
  await from.certificates.updateStatus("shop", (status) => ({ ...status, deploy }));
  const to = await emptyState();
  await copied(from, to);
  const copy = await to.certificates.read("shop");
  expect(copy?.held?.version).toBe(version);
  expect(copy?.status.deploy).toMatchObject({ new: { version }, old: { version: 0 } });
});

test("older versions, other chains and refused certificates are copied too", async () => {
  const { store: from } = await openStore();
  await filledState(from);
  const lock = await from.lock("certificate:shop", { wait: 0, signal: never });
  const forms = { alternates: ["first\n", "second\n"], properties: "properties\n" };
  await from.certificates.commit("shop", { ...(await newVersion("02")), ...forms }, lock);
  await from.certificates.saveAlternate("shop", 2, 1, "later\n");
  await lock.release();
  const refused = { pem: "pem\n", why: "it expired", directory: "d", orderUrl: "o", at: "a" };
  await from.certificates.keepRefused("shop", refused);
  const { store: to } = await openStore();
  await copied(from, to);
  expect(outcomes(await copied(from, to))).toEqual(["unchanged"]);
  const versions = await to.certificates.versions("shop");
  expect(versions).toEqual(await from.certificates.versions("shop"));
  expect(versions).toMatchObject([{ number: 1 }, { ...forms, added: { 1: "later\n" } }]);
  expect(await to.certificates.refused("shop")).toMatchObject([refused]);
});

test("a certificate that is newer in the other state stays", async () => {
  const [{ store: from }, { store: to }] = [await openStore(), await openStore()];
  await filledState(from);
  await copied(from, to);
  const lock = await to.lock("certificate:shop", { wait: 0, signal: never });
  const version = await newVersion("09");
  const meta = { ...version.meta, issuedAt: "2026-02-01T00:00:00.000Z" };
  await to.certificates.commit("shop", { ...version, meta }, lock);
  await lock.release();
  expect((await copied(from, to)).find(({ item }) => item === "certificate shop")?.outcome).toBe(
    "newer",
  );
  expect((await to.certificates.read("shop"))?.held?.meta.serial).toBe("09");
});

test("a key that was announced by the other state alone stays there", async () => {
  const [{ store: from }, { store: to }] = [await openStore(), await openStore()];
  await from.certificates.saveRequest(requestOf("shop"));
  await copied(from, to);
  const { privateKey: key } = await newVersion("04");
  await to.certificates.saveNextKey("shop", "ec256", key);
  await copied(from, to);
  expect(await to.certificates.readNextKey("shop", "ec256")).toBe(key);
});

test("what cannot be copied is reported, and the rest is copied", async () => {
  const [{ store: from }, { store: to }] = [await openStore(), await openStore()];
  await filledState(from);
  const { privateKey: key } = await newVersion("03");
  const directory = "https://acme.example.org/directory";
  await to.accounts.create({ id: "thumb", directory, contact: [], key });
  await from.certificates.saveRequest(requestOf("blog"));
  const items = await copied(from, to);
  expect(items.filter(({ outcome }) => outcome === "failed")).toMatchObject([
    { problem: { message: expect.stringMatching(/has another key in .*, which stays/) } },
  ]);
  expect((await to.certificates.names()).toSorted()).toEqual(["blog", "shop"]);
});
