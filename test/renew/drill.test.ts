import { expect, test } from "vitest";
import { drillOf } from "../../src/renew/drill.ts";
import { requestFor, temporaryStore } from "../issue/world.ts";
import { testClock } from "../support/clock.ts";
import { startIssuing } from "../support/issuing.ts";

interface Report {
  outcome: string;
  met: boolean;
  reason?: string;
  seconds: { seen?: number; work: number };
  certificates: { name: string; outcome: string; reason?: string }[];
}

test("renew --drill says what an early renewal would take, and orders nothing", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({ now: () => clock.now() });
  for (const name of ["a.test", "b.test"]) await issuing.issue(["-d", name], { clock });
  const drill = async (words: readonly string[]) => {
    const ran = await issuing.run(["renew", "--drill", "--json", ...words], { clock });
    return { code: ran.code, report: JSON.parse(ran.stdout) as Report };
  };
  const unasked = await drill(["--every", "6h"]);
  expect([unasked.code, unasked.report.reason]).toEqual([11, "2 would not be renewed in time."]);
  expect(unasked.report.certificates[0]?.reason).toBe(
    "its CA has given no renewal information (ARI) for it",
  );

  await issuing.run(["renew", "-q", "--every", "6h", "--no-jitter"], { clock });
  const orders = issuing.ca.requests.length;
  const { code, report } = await drill(["--every", "6h"]);
  expect({ code, met: report.met, seen: report.seconds.seen }).toEqual({
    code: 0,
    met: true,
    seen: 12 * 3600,
  });
  expect(report.certificates.map(({ outcome }) => outcome)).toEqual(["would-renew", "would-renew"]);
  expect(report.reason).toBeUndefined();
  const rare = await drill(["--every", "24h"]);
  expect([rare.code, rare.report.reason]).toEqual([
    11,
    expect.stringContaining("later than 24 hours. Run acmectl more often"),
  ]);
  // The second certificate is left for the next run, six hours later.
  const two = await drill(["--every", "6h", "--max", "1"]);
  expect([two.code, two.report.seconds.work]).toEqual([0, report.seconds.work + 6 * 3600]);

  const { stdout } = await issuing.run(["renew", "--drill", "--every", "6h"], { clock });
  expect(stdout).toContain("2 of 2 would be renewed in about 1 minute. Nothing was ordered.");
  expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
    /With a run every 6 hours, the renewals are done 12 hours after the CA's notice at the latest, within 24 hours\./,
  );
  expect(issuing.ca.requests).toHaveLength(orders);
});

test("a drill shows the CA that would be asked while the first one accepts no orders", async () => {
  const now = new Date("2027-01-01");
  const server = (name: string) => ({
    server: `https://${name}.example/directory`,
    agreeTos: true,
  });
  const issuers = [server("one"), server("two")];
  const request = { ...requestFor(["a.test"]), issuer: server("one"), issuers };
  const store = await temporaryStore();
  const shown = async () => {
    const known = { certificates: [{ name: "a", request, status: { failures: 0 } }], broken: [] };
    const usual = { every: 3_600_000, concurrency: 1, max: 1 };
    const { view } = await drillOf({ ...known }, usual, store, now);
    return JSON.stringify(view);
  };
  expect(await shown()).toContain("one.example");
  await store.ledger.update(server("one").server, (ledger) => ({
    ...ledger,
    pauses: [{ until: "2027-01-02T00:00:00Z", detail: "maintenance" }],
  }));
  expect(await shown()).toContain("two.example");
});

test.each([["--force"], ["--new-order"], ["--dry-run"], ["--dry-run=authorizations"]])(
  "renew --drill %s is refused, since a drill orders nothing",
  async (flag) => {
    await using issuing = await startIssuing();
    const { code, stderr } = await issuing.run(["renew", "--drill", flag]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("a drill orders nothing")]);
    expect(stderr).toContain(flag.split("=")[0]);
  },
);
