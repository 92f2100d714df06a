import { describe, expect, test } from "vitest";
import { testClock } from "../support/clock.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const day = 86_400_000;
const minute = 60_000;

interface Report {
  outcome: string;
  certificates: {
    name: string;
    outcome: string;
    dueAt: string;
    serial?: string;
    notAfter?: string;
  }[];
  problem?: { code: number; retryAt?: string };
}

async function renew(
  issuing: Issuing,
  clock: ReturnType<typeof testClock>,
  words: readonly string[] = [],
) {
  const ran = await issuing.run(["renew", "--json", "--no-jitter", ...words], { clock });
  return { ...ran, report: JSON.parse(ran.stdout) as Report };
}

/** A CA whose clock is the test's, so that certificates age with it. */
async function aging(start = new Date()) {
  const clock = testClock(start);
  const issuing = await startIssuing({ now: () => clock.now(), authorizationReuse: 0 });
  return { clock, issuing };
}

describe("renew", () => {
  test("does nothing before a certificate is due, and asks the CA only when ARI allows it", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    expect((await issuing.issue(["-d", "a.example.test"], { clock })).code).toBe(0);
    const first = await renew(issuing, clock);
    expect(first.code).toBe(0);
    expect(first.report.certificates).toMatchObject([
      { name: "a.example.test", outcome: "not-due" },
    ]);
    const asked = issuing.ca.requests.length;
    clock.advance(minute / 2);
    expect((await renew(issuing, clock)).code).toBe(0);
    expect(issuing.ca.requests).toHaveLength(asked);
    const quiet = await issuing.run(["renew", "-q", "--no-jitter"], { clock });
    expect(quiet).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("replaces a certificate when it is due, twice in a row", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    const serials = new Set<string | undefined>();
    for (let round = 0; round < 2; round += 1) {
      clock.advance(75 * day);
      const { code, report } = await renew(issuing, clock);
      expect(report.certificates).toMatchObject([{ outcome: "renewed" }]);
      expect(code).toBe(0);
      serials.add(report.certificates[0]?.serial);
    }
    expect(serials.size).toBe(2);
    const orders = issuing.ca.requests.filter(({ kind }) => kind === "newOrder");
    expect(orders).toHaveLength(3);
    for (const order of orders.slice(1)) expect(order.payload).toHaveProperty("replaces");
  });

  test("renews at the next run in an early window of the CA, at a time chosen once", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    await renew(issuing, clock);
    const id =
      issuing.ca.requests
        .findLast(({ kind }) => kind === "renewalInfo")
        ?.path.split("/")
        .at(-1) ?? "";
    const soon = new Date(clock.now().getTime() + 2 * day);
    const window = { start: soon, end: new Date(soon.getTime() + day), retryAfter: 3600 };
    issuing.ca.setRenewalInfo(id, window);
    clock.advance(day);
    const chosen = (await renew(issuing, clock)).report.certificates[0]?.dueAt;
    clock.advance(2 * 3_600_000);
    expect((await renew(issuing, clock)).report.certificates[0]?.dueAt).toBe(chosen);
    issuing.ca.setRenewalInfo(id, {
      start: new Date(clock.now().getTime() - 2 * day),
      end: new Date(clock.now().getTime() - day),
      explanationUrl: "https://ca.example.test/revoked",
    });
    clock.advance(2 * 3_600_000);
    const { report, stderr } = await renew(issuing, clock);
    expect(stderr).toContain("https://ca.example.test/revoked");
    expect(report.certificates).toMatchObject([{ outcome: "renewed" }]);
  });

  test("renews nine of ten certificates when one fails, exits with 11, and retries that one at 1, 11 and 111 minutes", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    for (let index = 0; index < 10; index += 1) {
      expect((await issuing.issue(["-d", `n${index}.example.test`], { clock })).code).toBe(0);
    }
    clock.advance(75 * day);
    issuing.ca.faults.add({
      on: ({ kind, payload }) =>
        kind === "newOrder" && JSON.stringify(payload).includes("n7.example.test"),
      times: Number.POSITIVE_INFINITY,
      do: { status: 500, problem: { type: "serverInternal", detail: "out of order" } },
    });
    const begin = clock.now().getTime();
    const tried: number[] = [];
    // A try between two of these minutes would be made at the later one.
    const early = Array.from({ length: 13 }, (_, at) => at);
    for (const run of [...early, 20, 40, 60, 80, 100, 109, 110, 111, 112, 119]) {
      clock.set(new Date(begin + run * minute));
      const before = issuing.ca.requests.length;
      const { code, report } = await renew(issuing, clock);
      const orders = issuing.ca.requests.slice(before).filter(({ kind }) => kind === "newOrder");
      if (orders.some(({ payload }) => JSON.stringify(payload).includes("n7"))) tried.push(run);
      if (run === 0) {
        expect(code).toBe(11);
        expect(report.certificates.filter(({ outcome }) => outcome === "renewed")).toHaveLength(9);
      }
    }
    expect(tried).toEqual([0, 1, 11, 111]);
    const waiting = await renew(issuing, clock);
    expect(waiting.code).toBe(6);
    expect(waiting.report.problem?.retryAt).toBeDefined();
  }, 120_000);

  test("--force clears our back-off, but not the CA's Retry-After", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    clock.advance(75 * day);
    const problem = { type: "rateLimited", detail: "slow down" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 429, problem, retryAfter: 7200 } });
    expect((await renew(issuing, clock)).code).toBe(6);
    expect((await renew(issuing, clock, ["--force"])).code).toBe(6);
    clock.advance(7_300_000);
    expect((await renew(issuing, clock)).code).toBe(0);
  });

  test("orders once more without replaces when the predecessor is already replaced", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    clock.advance(75 * day);
    const problem = { type: "alreadyReplaced", detail: "already replaced" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 409, problem } });
    const { code } = await renew(issuing, clock);
    expect(code).toBe(0);
    const orders = issuing.ca.requests.filter(({ kind }) => kind === "newOrder").slice(1);
    expect(orders.map(({ payload }) => Object.hasOwn(payload as object, "replaces"))).toEqual([
      true,
      false,
    ]);
  });
});

test("renew --dry-run issues with the embedded CA, and changes neither certificate nor history", async () => {
  const { clock, issuing } = await aging();
  await using _ = issuing;
  await issuing.issue(["-d", "a.example.test"], { clock });
  const before = await issuing.run(["status", "a.example.test", "--json"], { clock });
  const asked = issuing.ca.requests.length;
  const { code, report, stderr } = await renew(issuing, clock, ["--dry-run"]);
  expect(stderr).not.toContain("Hint");
  expect(code).toBe(0);
  expect(report.certificates).toMatchObject([{ name: "a.example.test", outcome: "dry-run" }]);
  expect(issuing.ca.requests).toHaveLength(asked);
  expect((await issuing.run(["status", "a.example.test", "--json"], { clock })).stdout).toBe(
    before.stdout,
  );
  const alone = await issuing.issue(["-d", "b.example.test", "--dry-run"], { clock });
  expect(alone.code).toBe(0);
  expect(alone.stdout).toContain("Nothing was kept");
});
