import { lutimes, mkdir, readdir, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { expect, test } from "vitest";

import type { Clock } from "../../src/clock.ts";
import { newVersion } from "./material.ts";
import { never, openAt, openStore } from "./state.ts";

const name = "certificate:shop";
const atOnce = { wait: 0, signal: never };

/** Time that passes only while somebody sleeps. */
function testClock(): Clock & { pass(milliseconds: number): void } {
  let now = Date.parse("2026-03-01T00:00:00Z");
  return {
    now: () => new Date(now),
    monotonic: () => now,
    pass: (milliseconds) => {
      now += milliseconds;
    },
    async sleep(milliseconds, signal) {
      signal.throwIfAborted();
      now += milliseconds;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("a second lock of one name in the same process waits for the first", async () => {
  const { store, root } = await openStore();
  const first = await store.lock(name, atOnce);
  await expect(openAt(root).store.lock(name, atOnce)).rejects.toMatchObject({ exitCode: 8 });

  const order: string[] = [];
  const second = store.lock(name, {
    wait: 10_000,
    signal: never,
    onWait: () => {
      order.push("waits");
      void first.release();
    },
  });
  await (await second).assertHeld();
  expect(order).toEqual(["waits"]);
  await (await second).release();
  await (await second).release();
  expect(await readdir(join(root, "locks"))).toEqual([]);
});

test("different names do not wait for each other, however alike they look", async () => {
  const { store } = await openStore();
  const names = [
    "account:https://a.example/x",
    "account:https://a.example/x/",
    "a_b",
    "a:b",
    "a/b",
    "A:b",
  ];
  const locks = await Promise.all(names.map((each) => store.lock(each, atOnce)));
  await Promise.all(locks.map((lock) => lock.assertHeld()));
  await Promise.all(locks.map((lock) => lock.release()));
});

test("waiting ends with a Problem when its time is over, and with the reason when it is aborted", async () => {
  const clock = testClock();
  const { store } = await openStore(clock);
  const lock = await store.lock(name, atOnce);
  // An hour without a heartbeat: this process knows that it lives itself.
  clock.pass(3_600_000);
  await expect(store.lock(name, { wait: 120_000, signal: never })).rejects.toThrow(/Waited 120 s/);
  const controller = new AbortController();
  const waiting = store.lock(name, {
    wait: 60_000,
    signal: controller.signal,
    onWait: () => controller.abort(new Error("Ctrl-C")),
  });
  await expect(waiting).rejects.toThrow("Ctrl-C");
  await lock.assertHeld();
  await lock.release();
});

test("a holder on another host keeps its lock while it beats, and loses it after a minute of silence", async () => {
  const clock = testClock();
  const { store, root } = await openStore(clock);
  const path = await planted(store, root, { host: "elsewhere" });

  await lutimes(path, clock.now(), clock.now());
  clock.pass(55_000);
  await expect(store.lock(name, atOnce)).rejects.toThrow(/on elsewhere since/);
  clock.pass(10_000);
  await (await store.lock(name, atOnce)).release();
});

test("a holder in another container is not judged by its process id", async () => {
  const clock = testClock();
  const { store, root } = await openStore(clock);
  const path = await planted(store, root, { pidNamespace: "pid:[1]", pid: 999_999_999 });
  await lutimes(path, clock.now(), clock.now());
  await expect(store.lock(name, atOnce)).rejects.toMatchObject({ exitCode: 8 });
});

test("a process id that was given out again does not keep a lock", async () => {
  const { store, root } = await openStore();
  await planted(store, root, { startTime: "1" });
  await (await store.lock(name, atOnce)).release();
});

test("something broken in a lock's place is given two seconds, then replaced", async () => {
  const clock = testClock();
  const { store, root } = await openStore(clock);
  await mkdir(join(root, "locks"), { recursive: true, mode: 0o700 });
  for (const content of ["", "\0".repeat(400), "{", '{"pid":1}']) {
    const path = join(root, "locks", await lockFile(store, root));
    await writeFile(path, content);
    await lutimes(path, clock.now(), clock.now());
    await expect(store.lock(name, atOnce)).rejects.toMatchObject({ exitCode: 8 });
    clock.pass(3000);
    await (await store.lock(name, atOnce)).release();
    expect(await readdir(join(root, "locks"))).toEqual([]);
  }
});

test("a holder that lost its lock to another notices before it commits, and leaves the other's lock alone", async () => {
  const { store, root } = await openStore();
  const lost = await store.lock(name, atOnce);
  await store.certificates.commit("shop", await newVersion("01"), lost);
  const path = join(root, "locks", (await readdir(join(root, "locks")))[0] ?? "");
  const theirs = (await readlink(path)).replace(/"token":"\w+"/, '"token":"abc123"');
  await rm(path);
  await symlink(theirs, path);

  await expect(lost.assertHeld()).rejects.toThrow(/: pid \d+ on .* holds it now/);
  await expect(
    store.certificates.commit("shop", await newVersion("02"), lost),
  ).rejects.toMatchObject({ exitCode: 8 });
  expect((await store.certificates.readCertificate("shop"))?.certificate.trim()).not.toBe("");
  expect(await readlink(join(root, "certificates/shop/current"))).toBe("versions/1");
  await lost.release();
  expect(await readlink(path)).toBe(theirs);
});

test("many in one process take turns over the lock of a dead one", async () => {
  const { store, root } = await openStore();
  await planted(store, root, { startTime: "1" });
  let holders = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      const lock = await openAt(root).store.lock(name, { wait: 30_000, signal: never });
      most = Math.max(most, ++holders);
      await lock.assertHeld();
      holders--;
      await lock.release();
    }),
  );
  expect(most).toBe(1);
  expect(await readdir(join(root, "locks"))).toEqual([]);
});

test("a claim that its maker could not finish does not keep a dead holder's lock", async () => {
  const { store, root } = await openStore();
  const path = await planted(store, root, { startTime: "1" });
  const holder = JSON.parse(await readlink(path));
  await symlink(JSON.stringify({ ...holder, token: "c1" }), `${path}.claim-${holder.token}`);
  await symlink(JSON.stringify({ ...holder, token: "c2" }), `${path}.claim-c1`);

  await (await store.lock(name, atOnce)).release();
  expect(await readdir(join(root, "locks"))).toEqual([]);
});

type Taker = Awaited<ReturnType<typeof openStore>>["store"];

async function lockFile(store: Taker, root: string): Promise<string> {
  const lock = await store.lock(name, atOnce);
  const [file = ""] = await readdir(join(root, "locks"));
  await lock.release();
  return file;
}

/** A lock as this process would make it, but for what `change` says. */
async function planted(store: Taker, root: string, change: object): Promise<string> {
  const lock = await store.lock(name, atOnce);
  const path = join(root, "locks", (await readdir(join(root, "locks")))[0] ?? "");
  const holder = JSON.parse(await readlink(path));
  await lock.release();
  await symlink(JSON.stringify({ ...holder, ...change }), path);
  return path;
}
