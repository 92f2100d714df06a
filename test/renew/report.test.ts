import { describe, expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import type { Renewal } from "../../src/renew/renew.ts";
import { reportRenewals } from "../../src/renew/report.ts";
import type { HeldCertificate } from "../../src/state/store.ts";

const now = new Date("2026-03-01T00:00:00.000Z");
const inHours = (hours: number) => new Date(now.getTime() + hours * 3_600_000);
const due = { at: now, rule: "lifetime", reason: "a third of its lifetime is left" } as const;

function held(version: number): HeldCertificate {
  const meta = {
    identifiers: [{ type: "dns", value: "shop.example.com" }],
    serial: "01",
    fingerprint: "ab",
    issuer: "R11",
    notBefore: now.toISOString(),
    notAfter: inHours(90 * 24).toISOString(),
    keyType: "ec256",
    directory: "https://ca.example/directory",
    account: "account",
    certificateUrl: "https://ca.example/certificate/1",
    orderUrl: "https://ca.example/order/1",
    issuedAt: now.toISOString(),
    requestHash: "",
  } as const;
  return { version, meta };
}

function renewal(name: string, change: Partial<Renewal>): Renewal {
  return { name, outcome: "not due", due, ...change };
}

const fails = (name: string, problem: Problem) => renewal(name, { outcome: "failed", problem });
const pauses = (name: string, reason: "backoff" | "permanent", hours: number) =>
  renewal(name, { outcome: "paused", pause: { until: inHours(hours), reason } });
const undeployed = (name: string) => {
  const deployProblem = new Problem("deploy", { detail: "reload: exit code 3" });
  return renewal(name, { outcome: "renewed", held: held(2), deployProblem });
};
const network = new Problem("network", { detail: "no route to the CA" });
const limited = (hours: number) =>
  new Problem("urn:ietf:params:acme:error:rateLimited", {
    detail: "too many",
    exitCode: 6,
    retryable: true,
    retryAt: inHours(hours),
  });

function report(renewals: readonly Renewal[]) {
  return reportRenewals(renewals, { detailed: false }, now);
}

describe("the summary of a pass", () => {
  test("lists every kind of failure, and mentions the others only if there are any", () => {
    const failures = [
      fails("x1", network),
      undeployed("x2"),
      pauses("x3", "permanent", 1),
      pauses("x4", "backoff", 2),
    ];
    const { exitCode, problem } = report(failures);
    expect(exitCode).toBe(11);
    expect(problem?.message.split("\n")).toEqual([
      "x1: no route to the CA",
      "x2: reload: exit code 3",
      "x3: the CA rejects this request; it is not retried until the request changes",
      "x4: backing off until 2026-03-01 02:00 UTC after a failure",
    ]);
    expect(problem?.hint).toMatch(
      /status NAME.*acmectl deploy.*--force NAME.*try now with --force/,
    );
    expect(problem?.hint).not.toContain("not affected");
    expect(report([...failures, renewal("x5", {})]).problem?.hint).toContain("not affected");
  });

  test("has an exit code of its own for one kind of failure: 9 for deploy steps, 6 for back-off", () => {
    expect(report([undeployed("a"), renewal("b", {})]).exitCode).toBe(9);
    expect(report([pauses("a", "backoff", 1), renewal("b", {})]).exitCode).toBe(6);
    expect(report([fails("a", network), renewal("b", {})]).exitCode).toBe(11);
    expect(report([renewal("a", {})])).toMatchObject({ exitCode: 0 });
  });

  test("of a single certificate is that certificate's failure, with what else is wrong", () => {
    expect(report([fails("a", network)]).problem).toBe(network);
    const { deployProblem } = undeployed("a");
    const both = report([{ ...fails("a", network), ...(deployProblem ? { deployProblem } : {}) }]);
    expect(both.exitCode).toBe(4);
    expect(both.problem?.message).toBe("no route to the CA Also: reload: exit code 3");
  });

  test("has the soonest time to come back if every failure has one", () => {
    const all = [fails("a", limited(5)), pauses("b", "backoff", 3), renewal("c", {})];
    expect(report(all).problem?.retryAt).toEqual(inHours(3));
    expect(report([...all, fails("d", network)]).problem?.retryAt).toBeUndefined();
    expect(report([...all, pauses("d", "permanent", 1)]).problem?.retryAt).toBeUndefined();
  });

  test("has no time to come back for a permanent refusal", () => {
    const { problem, document } = report([pauses("a", "permanent", 1)]);
    expect(problem).toMatchObject({ exitCode: 6, retryable: false, retryAt: undefined });
    expect(problem?.hint).toContain("Fix the cause");
    expect(JSON.stringify(document)).not.toContain("retryAt");
    expect(report([pauses("a", "backoff", 1)]).problem?.retryable).toBe(true);
  });
});

describe("a bug that hits one certificate", () => {
  const bug = renewal("x1", { outcome: "failed", bug: new TypeError("x is not a function") });

  test("keeps the results of the others, and the run exits with 1", () => {
    const fresh = renewal("x2", { outcome: "renewed", held: held(2) });
    const { exitCode, problem, document, view } = report([bug, fresh, fails("x3", network)]);
    expect(exitCode).toBe(1);
    expect(problem).toMatchObject({ retryable: false, document: { title: "A bug in acmectl" } });
    expect(problem?.message).toBe("x1: a bug: x is not a function\nx3: no route to the CA");
    expect(document["certificates"]).toMatchObject([
      { name: "x1", outcome: "failed", problem: { code: 1 } },
      { name: "x2", outcome: "renewed" },
      { name: "x3", outcome: "failed", problem: { code: 4, retryable: true } },
    ]);
    expect(JSON.stringify(view)).toContain("Renewed x2");
  });

  test("is thrown with its stack when there is no other certificate", () => {
    expect(() => report([bug])).toThrow("x is not a function");
  });
});

test("a first certificate is reported as issued, its successor as renewed", () => {
  const first = renewal("a", { outcome: "renewed", held: held(1) });
  const next = renewal("b", { outcome: "renewed", held: held(2) });
  const both = report([first, next]);
  expect(JSON.stringify(both.view)).toMatch(/Issued a, valid.*Renewed b, valid/);
  expect(both.document).toMatchObject({
    outcome: "renewed",
    certificates: [{ outcome: "issued" }, { outcome: "renewed" }],
  });
  expect(report([first]).document.outcome).toBe("issued");
});
