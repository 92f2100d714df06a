import { spawn } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync } from "node:fs";
import {
  lutimes,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock, type Clock } from "../../src/clock.ts";
import { beat, evict, lookAt, thisProcess } from "../../src/state/folder/locks/lock-file.ts";
import { testClock as settableClock } from "../support/clock.ts";
import {
  always,
  directory,
  functionsOf,
  lateChanges,
  lockedAndFilled,
  order,
  refusedFunctions,
} from "./late-changes.ts";
import { newVersion } from "./material.ts";
import { never, openAt, openStore } from "./state.ts";

const name = "certificate:shop";
const atOnce = { wait: 0, signal: never };

/** Time that passes only in sleep. */
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

test("a holder on another host keeps its lock with a heartbeat, and loses it after a minute without", async () => {
  const clock = testClock();
  const { store, root } = await openStore(clock);
  const path = await planted(store, root, { host: "elsewhere" });

  await lutimes(path, clock.now(), clock.now());
  clock.pass(55_000);
  await expect(store.lock(name, atOnce)).rejects.toThrow(/on elsewhere since/);
  clock.pass(10_000);
  await (await store.lock(name, atOnce)).release();
});

test("a run that holds a lock says every five seconds that it lives, and nothing in the name of the next holder", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const clock = testClock();
  const { store, root } = await openStore(clock);
  const lock = await store.lock(name, atOnce);
  const [file = ""] = await readdir(join(root, "locks"));
  const path = join(root, "locks", file);
  const beatAt = () => lstatSync(path).mtime.getTime();
  for (let beats = 0; beats < 2; beats++) {
    clock.pass(5000);
    vi.advanceTimersByTime(5000);
    await expect.poll(beatAt).toBe(clock.now().getTime());
  }
  const { token } = JSON.parse(await readlink(path));
  takeOver(root);
  const before = beatAt();
  await beat(path, token, new Date(before + 60_000));
  expect(beatAt()).toBe(before);
  await lock.release();
  expect(vi.getTimerCount()).toBe(0);
});

test("the process id of a holder in another container is ignored", async () => {
  const clock = testClock();
  const { store, root } = await openStore(clock);
  const path = await planted(store, root, { pidNamespace: "pid:[1]", pid: 999_999_999 });
  await lutimes(path, clock.now(), clock.now());
  await expect(store.lock(name, atOnce)).rejects.toMatchObject({ exitCode: 8 });
});

test("a reused process id does not keep a lock", async () => {
  const { store, root } = await openStore();
  await planted(store, root, { startTime: "1" });
  await (await store.lock(name, atOnce)).release();
});

test("a wait for another task of the same process does not name its own process id", async () => {
  const { store } = await openStore();
  const first = await store.lock(name, atOnce);
  const holders: string[] = [];
  const onWait = (holder: string) => {
    holders.push(holder);
    void first.release();
  };
  const second = await store.lock(name, { ...atOnce, wait: 10_000, onWait });
  expect(holders).toEqual(["another task of this run"]);
  await second.release();
});

test("a broken lock file is replaced after two seconds", async () => {
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

test("a run that lost its lock does not commit and does not release the new holder's lock", async () => {
  const { store, root } = await openStore();
  const lost = await store.lock(name, atOnce);
  await store.certificates.commit("shop", await newVersion("01"), lost);
  const [path = "", theirs] = takeOver(root)[0] ?? [];

  await expect(lost.assertHeld()).rejects.toThrow(/: pid \d+ on .* holds it now/);
  await expect(
    store.certificates.commit("shop", await newVersion("02"), lost),
  ).rejects.toMatchObject({ exitCode: 8 });
  expect((await store.certificates.readCertificate("shop"))?.certificate.trim()).not.toBe("");
  expect(await readlink(join(root, "certificates/shop/current"))).toBe("versions/1");
  await lost.release();
  expect(await readlink(path)).toBe(theirs);
});

test("a run that lost its lock in the midst of a commit leaves the current version as it is", async () => {
  const { store, root } = await openStore();
  const lock = await store.lock(name, atOnce);
  await store.certificates.commit("shop", await newVersion("01"), lock);
  let looks = 0;
  const assertHeld = async () => {
    if (looks++ === 1) takeOver(root);
    await lock.assertHeld();
  };
  const commit = store.certificates.commit("shop", await newVersion("02"), { ...lock, assertHeld });
  await expect(commit).rejects.toMatchObject({ exitCode: 8 });
  expect(looks).toBe(2);
  expect(await readlink(join(root, "certificates/shop/current"))).toBe("versions/1");
  expect(await readdir(join(root, "certificates/shop/versions"))).toEqual(["1"]);
  await lock.release();
});

test("a run whose lock file is gone has lost its lock, and after a release it may write without one", async () => {
  const { store, root } = await openStore();
  const lost = await store.lock(name, atOnce);
  await rm(join(root, "locks"), { recursive: true });
  await expect(lost.assertHeld()).rejects.toThrow(/no process holds it now/);
  const record = { name: "shop", presented: [], ...order };
  await expect(store.journal.write(record)).rejects.toMatchObject({ exitCode: 8 });
  await lost.release();
  await store.journal.write(record);
  expect(await store.journal.names()).toEqual(["shop"]);
});

test.each(Object.entries(lateChanges))(
  "a run that lost its locks does not %s",
  async (_, change) => {
    const { store, root } = await openStore();
    const filled = await lockedAndFilled(store);
    takeOver(root);
    const before = filesIn(root);

    await expect(change(store, filled)).rejects.toMatchObject({
      exitCode: 8,
      message: expect.stringContaining("lost the lock"),
    });
    expect(filesIn(root)).toEqual(before);
    await Promise.all(filled.locks.map((lock) => lock.release()));
  },
);

test("every function of the store is refused to a run that lost its locks, or is known to need none", async () => {
  const { store } = await openStore();
  const known = [...(await refusedFunctions()), ...Object.values(always).flat()];
  expect([...new Set(known)].toSorted()).toEqual(functionsOf(store).toSorted());
});

const heldBriefly: Readonly<
  Record<string, (store: Taker, lose: () => object) => Promise<unknown>>
> = {
  "a ledger": ({ ledger }, lose) =>
    ledger.update(directory, (now) => {
      lose();
      return now;
    }),
  "what a solver keeps": (store, lose) => store.solverState("cf").set("key", { toJSON: lose }),
  "the list of post hooks": ({ pendingHooks }, lose) =>
    pendingHooks.add("run-1", Object.assign({ run: "true" }, { toJSON: lose })),
  "a certificate's status": ({ certificates }, lose) =>
    certificates.updateStatus("shop", (status) => {
      lose();
      return { ...status, failures: 7 };
    }),
};

test.each(Object.entries(heldBriefly))(
  "a run that lost its lock while it changed %s leaves that as it was",
  async (_, change) => {
    const { store, root } = await openStore();
    let before: unknown;
    const lose = () => {
      takeOver(root);
      before = filesIn(root);
      return {};
    };
    await expect(change(store, lose)).rejects.toMatchObject({ exitCode: 8 });
    expect(filesIn(root)).toEqual(before);
  },
);

test("ten runs in one process take the lock of a killed run one after the other", async () => {
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

test("an unfinished claim does not keep the lock of a killed run", async () => {
  const { store, root } = await openStore();
  const path = await planted(store, root, { startTime: "1" });
  const holder = JSON.parse(await readlink(path));
  await symlink(JSON.stringify({ ...holder, token: "c1" }), `${path}.claim-${holder.token}`);
  await symlink(JSON.stringify({ ...holder, token: "c2" }), `${path}.claim-c1`);

  await (await store.lock(name, atOnce)).release();
  expect(await readdir(join(root, "locks"))).toEqual([]);
});

test("a stale lock is removed by the run that claimed it alone, and not once another run has the lock", async () => {
  const { store, root } = await openStore();
  const path = await planted(store, root, { startTime: "1" });
  const stale = await lookAt(path);
  if (stale === undefined) throw new Error("nothing was planted");
  const claimant = await thisProcess("test", "c0", new Date());
  const eviction = { claimant, clock: systemClock, signal: never };
  const claim = `${path}.claim-${stale.key}`;
  await symlink(JSON.stringify({ ...claimant, token: "c1" }), claim);
  expect(await evict(path, stale, eviction)).toBe(false);
  expect((await lookAt(path))?.key).toBe(stale.key);
  await rm(claim);
  takeOver(root);
  expect(await evict(path, stale, eviction)).toBe(false);
  expect((await lookAt(path))?.key).toBe("abc123");
  expect(await readdir(join(root, "locks"))).toHaveLength(1);
});

test("a living process keeps its lock when the clock is set ahead or back", async () => {
  const clock = settableClock();
  const { store, root } = await openStore(clock);
  const child = spawn("sleep", ["60"]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const startTime = await startTimeOf(child.pid ?? 0);
  const path = await planted(store, root, { pid: child.pid, startTime });
  await lutimes(path, clock.now(), clock.now());
  for (const jump of [86_400_000, -2 * 86_400_000]) {
    clock.set(new Date(clock.now().getTime() + jump));
    await expect(store.lock(name, atOnce)).rejects.toMatchObject({ exitCode: 8 });
  }

  // A stopped process cannot renew its certificates: it loses the lock after a minute.
  child.kill("SIGSTOP");
  await expect.poll(async () => (await statOf(child.pid ?? 0))[0]).toBe("T");
  await (await store.lock(name, atOnce)).release();
  child.kill("SIGKILL");
});

test.each([
  ["ahead", 86_400_000],
  ["back", -86_400_000],
])("a wait for a lock ends in its time when the clock is set %s meanwhile", async (_, jump) => {
  const clock = settableClock();
  const { store } = await openStore(clock);
  const held = await store.lock(name, atOnce);
  const start = clock.monotonic();
  const onWait = () => clock.set(new Date(clock.now().getTime() + jump));
  const waiting = store.lock(name, { wait: 3000, signal: never, onWait });
  await expect(waiting).rejects.toMatchObject({ exitCode: 8 });
  expect(clock.monotonic() - start).toBe(3000);
  await held.release();
});

test("a holder on another host keeps its lock when the clocks of the hosts differ", async () => {
  const clock = settableClock();
  const { store, root } = await openStore(clock);
  const path = await planted(store, root, { host: "elsewhere" });
  let beats = 0;
  const behind = () => new Date(clock.now().getTime() - 86_400_000 + beats++ * 1000);
  await lutimes(path, behind(), behind());
  const sleep = clock.sleep.bind(clock);
  clock.sleep = async (milliseconds, signal) => {
    await lutimes(path, behind(), behind());
    await sleep(milliseconds, signal);
  };
  await expect(store.lock(name, atOnce)).rejects.toThrow(/on elsewhere since/);
});

async function startTimeOf(pid: number): Promise<string> {
  return (await statOf(pid))[19] ?? "";
}

/** The state, and what follows it. */
async function statOf(pid: number): Promise<readonly string[]> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

type Taker = Awaited<ReturnType<typeof openStore>>["store"];

/** Another run holds all locks. Answers their paths and what they say. */
function takeOver(root: string): readonly (readonly [string, string])[] {
  return readdirSync(join(root, "locks")).map((file) => {
    const path = join(root, "locks", file);
    const theirs = readlinkSync(path).replace(/"token":"\w+"/, '"token":"abc123"');
    rmSync(path);
    symlinkSync(theirs, path);
    return [path, theirs];
  });
}

/** The text of every file, by its path; the lock of a single change may go. */
function filesIn(root: string): ReadonlyMap<string, string> {
  const found = readdirSync(root, { recursive: true, withFileTypes: true });
  const paths = found
    .filter((entry) => entry.isFile())
    .map((one) => join(one.parentPath, one.name));
  return new Map(paths.toSorted().map((path) => [path, readFileSync(path, "utf8")]));
}

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
