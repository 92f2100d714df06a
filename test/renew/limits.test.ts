import { mkdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { testClock } from "../support/clock.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { acmectl } from "../support/spawn.ts";

const hour = 3_600_000;

async function configured(count: number, limits = "") {
  const clock = testClock();
  const issuing = await startIssuing({ now: () => clock.now() });
  const path = join(issuing.state, "..", "config.yaml");
  const names = Array.from({ length: count }, (_, n) => `n${n}`);
  await mkdir(issuing.state, { recursive: true });
  const grant = (granted: string) =>
    writeFile(
      path,
      `issuers:
  lab: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}"${granted} }
solvers:
  here: { use: standalone, port: ${issuing.httpPort} }
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
certificates:
${names.map((name) => `  ${name}: { domains: [${name}.example.test] }`).join("\n")}
`,
    );
  await grant(limits);
  const run = (words: readonly string[]) =>
    issuing.run([...words, "--config", path, "--json"], { clock });
  const apply = async () => {
    const ran = await run(["apply", "--no-jitter"]);
    const document = JSON.parse(ran.stdout) as {
      certificates: { outcome: string }[];
      problem?: { detail: string };
    };
    const outcomes = Object.groupBy(document.certificates, ({ outcome }) => outcome);
    const counts = Object.entries(outcomes).map(([outcome, all]) => [outcome, all?.length]);
    return { ...ran, counts: Object.fromEntries(counts), problem: document.problem };
  };
  /** `apply` as a process of its own, which goes by the system's clock. */
  const spawnApply = () => {
    const words = ["apply", "--no-jitter", "--state", issuing.state, "--config", path, "--json"];
    return acmectl(words, { env: { HOME: issuing.home } }).ended;
  };
  return { clock, issuing, run, apply, grant, spawnApply };
}

const orders = ({ ca }: Issuing) => ca.requests.filter(({ kind }) => kind === "newOrder").length;
const limited = {
  problem: { type: "rateLimited", detail: "Too many new orders (300) from this account." },
  retryAfter: 3600,
};

describe("a CA that limits an account", () => {
  test("is asked once by a pass over 20 certificates, and by no process before its time", async () => {
    const { clock, issuing, run, apply, spawnApply } = await configured(20);
    await using _ = issuing;
    issuing.ca.faults.add({ on: "newOrder", times: Infinity, do: limited });
    const first = await apply();
    expect(orders(issuing)).toBe(1);
    expect(first.code).toBe(6);
    expect(first.counts).toEqual({ failed: 1, paused: 19 });
    expect(first.stderr.match(/accepts no orders of this account before/g)).toHaveLength(1);
    expect(first.problem?.detail.split("\n")).toHaveLength(2);

    const plan = JSON.parse((await run(["plan"])).stdout);
    expect(plan.limits).toEqual([
      expect.objectContaining({
        pause: expect.objectContaining({ detail: expect.stringContaining("Too many") }),
      }),
    ]);
    const requests = issuing.ca.requests.length;
    for (const { stdout, stderr } of await Promise.all([spawnApply(), spawnApply()])) {
      const { certificates } = JSON.parse(stdout) as { certificates: { outcome: string }[] };
      expect(certificates.map(({ outcome }) => outcome)).toEqual(Array(20).fill("paused"));
      expect(stderr).not.toContain("Too many new orders");
    }
    clock.advance(hour / 2);
    expect((await apply()).counts).toEqual({ paused: 20 });
    expect(issuing.ca.requests).toHaveLength(requests);
    const other = await issuing.issue(["-d", "other.example.test"], { clock });
    expect(other.code).toBe(6);
    expect(other.stderr).toContain("accepts no orders of this account before");
    const forced = await run(["renew", "n0", "--force", "--no-jitter"]);
    expect(forced.code).not.toBe(0);
    expect(orders(issuing)).toBe(1);

    clock.advance(hour);
    issuing.ca.faults.clear();
    expect((await apply()).counts).toEqual({ issued: 20 });
  });

  test("a limit for one name stops that certificate alone", async () => {
    const { issuing, apply } = await configured(4);
    await using _ = issuing;
    issuing.ca.faults.add({
      on: "newOrder",
      do: {
        problem: {
          type: "rateLimited",
          detail: "Too many failed authorizations for n0.example.test.",
        },
        retryAfter: 3600,
      },
    });
    expect((await apply()).counts).toEqual({ failed: 1, issued: 3 });
  });

  test("a CA in maintenance is left alone by all accounts until its time", async () => {
    const { clock, issuing, apply } = await configured(5);
    await using _ = issuing;
    const maintenance = { type: "serverInternal", detail: "Maintenance." };
    issuing.ca.faults.add({
      on: "newOrder",
      times: Infinity,
      do: { status: 503, problem: maintenance, retryAfter: 3600 },
    });
    expect((await apply()).counts).toEqual({ failed: 1, paused: 4 });
    const requests = issuing.ca.requests.length;
    expect((await apply()).counts).toEqual({ paused: 5 });
    expect(issuing.ca.requests).toHaveLength(requests);
    clock.advance(2 * hour);
    issuing.ca.faults.clear();
    expect((await apply()).counts).toEqual({ issued: 5 });
  });
});

test.each([
  ["whose limits are not known", ""],
  ["whose limits are known", ', limits: { ordersPerAccount: "100/1h" }'],
])("a CA %s is asked for all orders side by side once it has accepted one", async (_, limits) => {
  const world = await configured(4, limits);
  await using issuing = world.issuing;
  const all = Promise.withResolvers<void>();
  let waiting = 0;
  const call = () => {
    if (++waiting === 3) all.resolve();
    return all.promise;
  };
  issuing.ca.faults.add({ on: "newOrder", nth: 2, times: 3, do: { call } });
  expect((await world.apply()).counts).toEqual({ issued: 4 });
});

test("an order that the CA refuses does not count for the limit", async () => {
  const { issuing, apply } = await configured(3, ', limits: { ordersPerAccount: "2/6h" }');
  await using _ = issuing;
  const problem = { type: "rejectedIdentifier", detail: "Not here." };
  issuing.ca.faults.add({ on: "newOrder", do: { problem } });
  expect((await apply()).counts).toEqual({ issued: 2, failed: 1 });
});

describe("limits that are known", () => {
  test("a pass stops before the CA has to refuse, and plan and check show what is left", async () => {
    const limits = ', limits: { ordersPerAccount: "3/6h" }';
    const { clock, issuing, run, apply } = await configured(5, limits);
    await using _ = issuing;
    const first = await apply();
    expect(first.counts).toEqual({ issued: 3, failed: 2 });
    expect(first.problem?.detail).toContain(
      "all 3 new orders of this account in 6 hours are used up",
    );
    expect(orders(issuing)).toBe(3);
    const plan = JSON.parse((await run(["plan"])).stdout);
    expect(plan.limits[0].allowances).toEqual([
      expect.objectContaining({ limit: "ordersPerAccount", left: 0, most: 3 }),
    ]);
    const checked = JSON.parse((await run(["check", "n4"])).stdout);
    const { findings } = checked.certificates[0].checks.find(
      (one: { check: string }) => one.check === "limits",
    );
    expect(findings[0]).toMatchObject({
      severity: "error",
      detail: expect.stringMatching(/would refuse an order|accepts no order/),
    });
    clock.advance(2 * hour + 60_000);
    expect((await apply()).counts).toMatchObject({ issued: 1 });
  });

  test("a higher limit in the config, or --force, ends the wait for one that acmectl counts", async () => {
    const { issuing, run, apply, grant } = await configured(
      3,
      ', limits: { ordersPerAccount: "1/6h" }',
    );
    await using _ = issuing;
    expect((await apply()).counts).toEqual({ issued: 1, failed: 2 });
    expect((await apply()).counts).toEqual({ "not-due": 1, paused: 2 });
    const plan = JSON.parse((await run(["plan"])).stdout);
    const paused = plan.certificates.find(
      ({ reason }: { reason: string }) => reason === "a limit of the CA is used up",
    );
    // It is looked at again, and still used up.
    const forced = await run(["renew", paused.name, "--force", "--no-jitter"]);
    expect(forced.stderr).toContain("would refuse the order: all 1 new orders");
    expect(forced.stderr).not.toContain("ordering ");
    await grant(', limits: { ordersPerAccount: "2/6h" }');
    expect((await apply()).counts).toEqual({ "not-due": 1, issued: 1, failed: 1 });
    expect(orders(issuing)).toBe(2);
  });

  test("an order for which a limit leaves no room runs no pre hook", async () => {
    const { clock, issuing, run, apply } = await configured(
      1,
      ', limits: { ordersPerAccount: "1/6h" }',
    );
    await using _ = issuing;
    expect((await apply()).counts).toEqual({ issued: 1 });
    const hooked = join(issuing.state, "..", "hooked");
    const words = ["issue", "-d", "other.test", "--solver", "here"];
    const { code, stderr } = await run([...words, "--pre-hook", `touch ${hooked}`]);
    expect(code).toBe(6);
    expect(stderr).toContain("would refuse the order: all 1 new orders");
    expect(stderr).not.toContain("ordering ");
    await expect(stat(hooked)).rejects.toThrow("ENOENT");
    clock.advance(6 * hour);
    // Without the hook: this clock would end it after a moment.
    expect((await run(words)).code).toBe(0);
    expect(orders(issuing)).toBe(2);
  });

  test("a certificate of the same account without the limits in its request does not lift them", async () => {
    const { clock, issuing, apply } = await configured(3, ', limits: { ordersPerAccount: "2/6h" }');
    await using _ = issuing;
    expect((await issuing.issue(["-d", "other.example.test"], { clock })).code).toBe(0);
    clock.advance(hour);
    expect((await apply()).counts).toMatchObject({ issued: 2, failed: 1 });
  });

  test("a pass waits where the limit leaves room within a minute", async () => {
    const { clock, issuing, apply } = await configured(4, ', limits: { ordersPerAccount: "2/1m" }');
    await using _ = issuing;
    const before = clock.now().getTime();
    expect((await apply()).counts).toEqual({ issued: 4 });
    expect(clock.now().getTime() - before).toBeGreaterThanOrEqual(60_000);
  });

  test("a limit in the config that means nothing is a fault of the config", async () => {
    const { issuing, run } = await configured(1, ", limits: { ordersPerDay: 5/1d }");
    await using _ = issuing;
    const { code, stdout } = await run(["plan"]);
    expect(code).toBe(2);
    expect(stdout).toContain("ordersPerDay");
  });
});
