import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  compareAndSwap,
  delegatedOf,
  inTurns,
  keepToken,
  once,
  onceEach,
  suffixesOf,
} from "../../src/plugin/http.ts";
import { recordingLog } from "../../src/testing.ts";

const { signal } = new AbortController();
const conflict = new Error("somebody was faster");

describe("compareAndSwap", () => {
  it("compareAndSwap reads again after each conflict, and compares with the attempt before", async () => {
    const log = recordingLog();
    const compared: unknown[] = [];
    let state = 0;
    const result = await compareAndSwap({
      read: () => Promise.resolve((state += 1)),
      write: (seen) => (seen < 3 ? Promise.reject(conflict) : Promise.resolve(`wrote ${seen}`)),
      isConflict: (error, seen, before) => compared.push([error, seen, before]) > 0,
      what: "the set",
      log,
      signal,
    });
    expect(result).toBe("wrote 3");
    expect(compared).toEqual([
      [conflict, 1, undefined],
      [conflict, 2, 1],
    ]);
    expect(log.entries[0]).toMatchObject({ message: "the set changed meanwhile; reading again" });
  });

  it("compareAndSwap gives up at the twelfth conflict, at once at any other error, and never repeats a failed read", async () => {
    let [reads, writes] = [0, 0];
    const swapping = (given: { readFails?: boolean; isConflict: boolean; signal?: AbortSignal }) =>
      compareAndSwap({
        read: () =>
          (reads += 1) > 0 && given.readFails ? Promise.reject(conflict) : Promise.resolve(reads),
        write: () => ((writes += 1), Promise.reject(conflict)),
        isConflict: () => given.isConflict,
        what: "the set",
        log: recordingLog(),
        signal: given.signal ?? signal,
        longestPause: 1,
      });
    await expect(swapping({ isConflict: true })).rejects.toBe(conflict);
    expect([reads, writes]).toEqual([12, 12]);
    await expect(swapping({ isConflict: false })).rejects.toBe(conflict);
    expect([reads, writes]).toEqual([13, 13]);
    await expect(swapping({ isConflict: true, readFails: true })).rejects.toBe(conflict);
    expect([reads, writes]).toEqual([14, 13]);
    await expect(swapping({ isConflict: true, signal: AbortSignal.abort() })).rejects.toThrow(
      /abort/,
    );
    expect(writes).toBe(14);
  });
});

it("inTurns does the work of one key in order, though some of it fails, and others beside it", async () => {
  const inTurn = inTurns();
  const seen: string[] = [];
  const gate = Promise.withResolvers<void>();
  const first = inTurn("a", async () => {
    await gate.promise;
    seen.push("a1");
    throw new Error("a1 failed");
  });
  const second = inTurn("a", async () => seen.push("a2"));
  await inTurn("b", async () => seen.push("b"));
  gate.resolve();
  await expect(first).rejects.toThrow("a1 failed");
  await second;
  expect(seen).toEqual(["b", "a1", "a2"]);
});

it("once and onceEach remember what succeeded, and ask again for what failed", async () => {
  let calls = 0;
  const known = once(() =>
    (calls += 1) === 1 ? Promise.reject(conflict) : Promise.resolve(calls),
  );
  await expect(known(signal)).rejects.toBe(conflict);
  expect(await Promise.all([known(signal), known(signal)])).toEqual([2, 2]);
  const remember = onceEach<string>();
  expect(await remember("a", () => Promise.resolve("first"))).toBe("first");
  expect(await remember("a", () => Promise.resolve("second"))).toBe("first");
  expect(await remember("b", () => Promise.resolve("other"))).toBe("other");
});

it("keepToken renews a token two minutes before it ends, and after a failure", async () => {
  const ends = [0, Date.now() + 119_000, Date.now() + 3_600_000];
  let calls = 0;
  const token = keepToken(() => {
    const expires = ends[(calls += 1) - 1] ?? 0;
    return calls === 1
      ? Promise.reject(conflict)
      : Promise.resolve({ value: `t${calls}`, expires });
  });
  await expect(token(signal)).rejects.toBe(conflict);
  expect([await token(signal), await token(signal), await token(signal)]).toEqual([
    "t2",
    "t3",
    "t3",
  ]);
});

it("keepToken is not misled by a clock that is set back", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let calls = 0;
  const token = keepToken(async () => {
    calls += 1;
    return { value: `t${calls}`, expires: Date.now() + 3_600_000 };
  });
  expect(await token(signal)).toBe("t1");
  vi.setSystemTime(Date.now() - 3 * 3_600_000);
  vi.advanceTimersByTime(3_590_000);
  expect(await token(signal)).toBe("t2");
});

describe("zones", () => {
  it("the zones that could hold a name are its suffixes, the longest first", () => {
    expect(suffixesOf("_acme-challenge.Example.com")).toEqual([
      "_acme-challenge.example.com",
      "example.com",
      "com",
    ]);
  });

  it("zones with one name are distinguished by the delegation, if there is one", async () => {
    const log = recordingLog();
    const zones = [["ns1.other.net"], ["NS1.example.net."]];
    const twins = {
      recordName: "a.example.com",
      zones,
      nameserversOf: (zone: string[]) => zone,
      signal,
    };
    const found = { name: "example.com", nameservers: ["ns1.example.net"] };
    const findZone = () => Promise.resolve(found);
    expect(await delegatedOf(twins, { findZone, log })).toEqual([zones[1]]);
    expect(await delegatedOf(twins, { findZone: () => Promise.reject(conflict), log })).toBe(zones);
    expect(log.entries).toHaveLength(1);
  });
});
