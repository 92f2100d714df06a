import { describe, expect, onTestFinished, test, vi } from "vitest";
import { assertWindow, nextWindow, openingOf } from "../../src/deploy/windows.ts";

const saturday = { start: "0 2 * * 6", duration: 2 * 3_600_000, timeZone: "Europe/Berlin" };
const quarter = { notBefore: "2026-10-01T00:00:00Z", notAfter: "2026-12-30T00:00:00Z" };
const at = (time: string) => new Date(time);

describe("a deploy window", () => {
  test("is open from its start for its duration, in its own time zone", () => {
    // 2026-11-21 is a Saturday; Berlin is an hour ahead of UTC then.
    expect(nextWindow([saturday], quarter, at("2026-11-21T01:00:00Z"))).toBeUndefined();
    expect(nextWindow([saturday], quarter, at("2026-11-21T02:59:59Z"))).toBeUndefined();
    expect(nextWindow([saturday], quarter, at("2026-11-21T00:59:59Z"))).toEqual(
      at("2026-11-21T01:00:00Z"),
    );
    expect(nextWindow([saturday], quarter, at("2026-11-21T03:00:01Z"))).toEqual(
      at("2026-11-28T01:00:00Z"),
    );
  });

  test("that opens next counts if there are several", () => {
    const noon = { start: "0 12 * * *", duration: 3_600_000, timeZone: "UTC" };
    expect(nextWindow([saturday, noon], quarter, at("2026-11-22T09:00:00Z"))).toEqual(
      at("2026-11-22T12:00:00Z"),
    );
  });

  test("is not waited for if none is set, or if a tenth of the lifetime is left or would be left", () => {
    expect(nextWindow([], quarter, at("2026-11-22T09:00:00Z"))).toBeUndefined();
    expect(nextWindow([saturday], quarter, at("2026-12-22T09:00:00Z"))).toBeUndefined();
    expect(nextWindow([saturday], quarter, at("2026-12-20T09:00:00Z"))).toBeUndefined();
  });

  test.each([
    ["Etc/Unknown", "UTC"],
    ["Europe/Berlin", "Europe/Berlin"],
  ])("is shown in the machine's time zone, %s, as %s", (machine, shown) => {
    const options = { ...new Intl.DateTimeFormat().resolvedOptions(), timeZone: machine };
    const spy = vi.spyOn(Intl.DateTimeFormat.prototype, "resolvedOptions");
    spy.mockReturnValue(options);
    onTestFinished(() => spy.mockRestore());
    expect(openingOf(at("2026-11-21T01:00:00Z"))).toMatch(new RegExp(`^2026-11-21 .* ${shown}$`));
  });

  test.each([
    [{ start: "0 25 * * *", duration: 60_000 }, '"0 25 * * *" is not a cron expression.'],
    [{ start: "0 0 31 2 *", duration: 60_000 }, '"0 0 31 2 *" names a time that never comes.'],
    [
      { start: "0 2 * * 6", duration: 60_000, timeZone: "Europe/Berlim" },
      '"Europe/Berlim" is not a time zone. Did you mean Europe/Berlin?',
    ],
  ])("%o is refused with its place", (window, why) => {
    const place = "config.yaml: certificates.shop.freeze";
    expect(() => assertWindow(window, place)).toThrow(`${place}: ${why}`);
  });
});
