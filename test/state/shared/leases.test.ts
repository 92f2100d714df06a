import { expect, onTestFinished, test, vi } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { openLeases, type LeaseRows, type Taken } from "../../../src/state/shared/leases.ts";
import { silentLog } from "../../../src/testing.ts";
import { never } from "../state.ts";

test("two leases with the same token are both kept, and one that was given back is not", async () => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  let beaten: readonly Taken[] = [];
  const done = () => Promise.resolve();
  const rows: LeaseRows = {
    take: () => Promise.resolve("7"),
    holderOf: () => Promise.resolve(undefined),
    beat: (leases) => {
      beaten = leases;
      return done();
    },
    assert: done,
    end: done,
  };
  const tools = { clock: systemClock, log: silentLog, check: done, leaseTime: 60_000 };
  const { lock } = openLeases(rows, tools);
  const wait = { wait: 0, signal: never };
  const [shop, mail] = [await lock("certificate:shop", wait), await lock("certificate:mail", wait)];
  vi.advanceTimersByTime(15_000);
  expect(beaten.map(({ name }) => name)).toEqual(["certificate:shop", "certificate:mail"]);
  await mail.release();
  vi.advanceTimersByTime(15_000);
  expect(beaten.map(({ name }) => name)).toEqual(["certificate:shop"]);
  await shop.release();
});
