import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { testClock } from "../support/clock.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const day = 86_400_000;

interface Report {
  outcome: string;
  certificates: { name: string; outcome: string; reason: string }[];
  problem?: { detail: string; code: number };
}

async function aging() {
  const clock = testClock();
  const issuing = await startIssuing({ now: () => clock.now(), authorizationReuse: 0 });
  return { clock, issuing };
}

async function renew(
  issuing: Issuing,
  clock: ReturnType<typeof testClock>,
  words: readonly string[] = [],
) {
  const ran = await issuing.run(["renew", "--json", "--no-jitter", ...words], { clock });
  const report = JSON.parse(ran.stdout) as Report;
  const outcomes = Object.fromEntries(
    report.certificates.map(({ name, outcome }) => [name, outcome]),
  );
  return { ...ran, report, outcomes };
}

const orders = ({ ca }: Issuing) => ca.requests.filter(({ kind }) => kind === "newOrder").length;

describe("a renewal is stopped only by its own failure", () => {
  test("an unreadable record fails alone", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    for (const name of ["a", "b"]) await issuing.issue(["-d", `${name}.example.test`], { clock });
    await writeFile(join(issuing.state, "certificates", "a.example.test", "certificate.json"), "{");
    clock.advance(75 * day);
    const { code, outcomes } = await renew(issuing, clock);
    expect(outcomes).toEqual({ "a.example.test": "failed", "b.example.test": "renewed" });
    expect(code).toBe(11);
  });

  test("an issuer with a missing CA bundle fails alone, and status shows why", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    const bundle = join(issuing.state, "..", "gone.pem");
    await writeFile(bundle, issuing.ca.rootPem);
    const words = issuing.words.map((word) => (word.endsWith("ca.pem") ? bundle : word));
    await issuing.issue(["-d", "b.example.test"], { clock });
    const first = await issuing.run(
      [
        ...["issue", "-d", "a.example.test", "--solver", "standalone"],
        ...[
          "--standalone-port",
          String(issuing.httpPort),
          "--no-self-check",
          ...words.slice(0, -3),
          "--agree-tos",
        ],
      ],
      { clock },
    );
    expect(first.code).toBe(0);
    await rm(bundle);
    clock.advance(75 * day);
    const { outcomes } = await renew(issuing, clock);
    expect(outcomes).toEqual({ "a.example.test": "failed", "b.example.test": "renewed" });
    const status = await issuing.run(["status", "a.example.test"], { clock });
    expect(status.stdout).toContain("gone.pem");
  });

  test("renew --max renews the most urgent certificate first", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "z.example.test"], { clock });
    clock.advance(20 * day);
    await issuing.issue(["-d", "a.example.test"], { clock });
    clock.advance(68 * day);
    const { outcomes } = await renew(issuing, clock, ["--max", "1"]);
    expect(outcomes).toEqual({ "a.example.test": "postponed", "z.example.test": "renewed" });
  });
});

describe("a held certificate", () => {
  test("a revoked certificate is replaced, with a new key after a compromise", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test", "--reuse-key"], { clock });
    await issuing.run(["revoke", "a.example.test", "--reason", "keyCompromise", "--yes"], {
      clock,
    });
    const plan = await issuing.run(["plan"], { clock });
    expect(plan.stdout).toContain("revoked");
    const { code, outcomes } = await renew(issuing, clock);
    expect({ code, outcomes }).toEqual({ code: 0, outcomes: { "a.example.test": "renewed" } });
    expect((await renew(issuing, clock)).outcomes).toEqual({ "a.example.test": "not-due" });
  });

  test("a certificate is not replaced by one of a testing CA", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    const words = ["issue", "-d", "a.example.test", "--server", "local", "--agree-tos"];
    const { code, stderr } = await issuing.run(words, { clock });
    expect(code).toBe(2);
    expect(stderr).toContain("would replace a live one");
  });

  test("a certificate is renewed by the request that got it, although a later one was refused", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "good.example.test"], { clock });
    const problem = { type: "rejectedIdentifier", detail: "not that name" };
    // Once more without `replaces` (RFC 9773 §5), and refused again.
    issuing.ca.faults.add({ on: "newOrder", times: 2, do: { status: 403, problem } });
    const refused = await issuing.issue(["-d", "good.example.test,bad.example.test"], { clock });
    expect(refused.code).toBe(5);
    clock.advance(75 * day);
    const { code, outcomes } = await renew(issuing, clock);
    expect({ code, outcomes }).toEqual({ code: 0, outcomes: { "good.example.test": "renewed" } });
  });
});

describe("limits of the CA", () => {
  test("a limit that the CA has set holds for issue and --force too, however short", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    clock.advance(75 * day);
    const problem = { type: "rateLimited", detail: "slow down" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 429, problem, retryAfter: 50 } });
    expect((await renew(issuing, clock)).code).toBe(6);
    const before = orders(issuing);
    expect((await renew(issuing, clock, ["--force"])).code).toBe(6);
    expect((await issuing.issue(["-d", "a.example.test", "--force"], { clock })).code).toBe(6);
    expect(orders(issuing)).toBe(before);
    clock.advance(60_000);
    expect((await renew(issuing, clock, ["--force"])).code).toBe(0);
  });

  test("orders fewer than five certificates a week although the CA's window always lies in the past", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    issuing.ca.faults.add({
      on: "renewalInfo",
      times: Number.POSITIVE_INFINITY,
      do: {
        mutate: () => ({
          suggestedWindow: { start: "2020-01-01T00:00:00Z", end: "2020-01-02T00:00:00Z" },
        }),
      },
    });
    expect((await renew(issuing, clock)).outcomes).toEqual({ "a.example.test": "not-due" });
    for (let hours = 0; hours < 7 * 24; hours += 6) {
      await renew(issuing, clock, ["--every", "6h"]);
      clock.advance(6 * 3_600_000);
    }
    expect(orders(issuing)).toBe(4);
  });

  test("a retry time that no CA would set was written by a wrong clock, and is ignored", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", "a.example.test"], { clock });
    clock.advance(3000 * day);
    const problem = { type: "rateLimited", detail: "slow down" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 429, problem, retryAfter: 3600 } });
    expect((await renew(issuing, clock)).code).toBe(6);
    clock.advance(-2925 * day);
    expect((await renew(issuing, clock)).code).toBe(0);
  });
});

test("renew without any certificates fails and names the state folder", async () => {
  const { clock, issuing } = await aging();
  await using _ = issuing;
  const { code, stderr } = await issuing.run(["renew", "-q", "--no-jitter"], { clock });
  expect(code).toBe(2);
  expect(stderr).toContain(issuing.state);
});
