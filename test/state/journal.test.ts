import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { unfinishedOrder } from "./material.ts";
import { never, openAt, openStore } from "./state.ts";

test("a journal is a file of mode 0600, and two names do not share one", async () => {
  const { store, root } = await openStore();
  const pending = await unfinishedOrder("*.example.com");
  await store.journal.write(pending);

  const next = openAt(root).store.journal;
  expect(await next.names()).toEqual(["*.example.com"]);
  expect(await next.read("*.example.com")).toEqual(pending);
  expect(await next.read("other")).toBeUndefined();
  await expect(next.read("_.example.com")).rejects.toMatchObject({ exitCode: 2 });
  const [file = ""] = await readdir(join(root, "pending"));
  expect((await stat(join(root, "pending", file))).mode & 0o777).toBe(0o600);

  await next.remove("*.example.com");
  await next.remove("*.example.com");
  expect(await next.names()).toEqual([]);
  expect(await readdir(join(root, "pending"))).toEqual([]);
});

test("a broken journal is reported once by a run that writes, moved aside, and does not block later runs", async () => {
  const { store, root } = await openStore();
  await (await store.lock("certificate:shop", { wait: 0, signal: never })).release();
  await mkdir(join(root, "pending"), { recursive: true, mode: 0o700 });
  await writeFile(join(root, "pending/shop.json"), "{}");

  expect(await store.journal.names()).toEqual(["shop"]);
  await expect(store.journal.read("shop")).rejects.toMatchObject({ exitCode: 3 });
  expect(await store.journal.read("shop")).toBeUndefined();
  expect(await store.journal.names()).toEqual([]);
  expect((await readdir(join(root, "pending"))).join()).toMatch(/^shop\.json\.corrupt-\d+T\d+Z$/);
});

test("the state of a solver is in a file that cannot leave the state folder", async () => {
  const { store, root } = await openStore();
  const state = store.solverState("acme-dns");
  await Promise.all([
    state.set("example.com", { fulldomain: "d420.auth.example" }),
    state.set("example.org", 1),
    openAt(root).store.solverState("acme-dns").set("__proto__", "harmless"),
  ]);
  const again = openAt(root).store;
  expect(await again.solverState("acme-dns").get("example.com")).toEqual({
    fulldomain: "d420.auth.example",
  });
  expect(await again.solverState("acme-dns").get("example.org")).toBe(1);
  expect(await again.solverState("acme-dns").get("__proto__")).toBe("harmless");
  expect(await again.solverState("acme-dns").get("toString")).toBeUndefined();
  expect(await again.solverState("../acme-dns").get("example.com")).toBeUndefined();

  await again.solverState("./my-solver.ts").set("a", null);
  expect(await again.solverState("./my-solver.ts").get("a")).toBeNull();
  await again.solverState("acme-dns").set("example.org", undefined);
  expect(await again.solverState("acme-dns").get("example.org")).toBeUndefined();
  expect(await readdir(join(root, ".."))).toEqual(["state"]);
});

test("broken solver credentials are not silently replaced", async () => {
  const { store, root } = await openStore();
  const state = store.solverState("acme-dns");
  await state.set("example.com", 1);
  await writeFile(join(root, "solvers/acme-dns.json"), "");

  await expect(state.get("example.com")).rejects.toThrow(/is empty/);
  await expect(state.get("example.com")).rejects.toThrow(/was broken and is now/);
  await expect(state.set("example.com", 2)).rejects.toMatchObject({ exitCode: 3 });
});
