import { describe, expect, test } from "vitest";
import type { CertificateRequest, DeployWindow, VersionMeta } from "../../src/certificate.ts";
import { stepsOf } from "../../src/deploy/steps.ts";
import { requestHash } from "../../src/request/drift.ts";
import { check, problemOfChecks } from "../../src/status/check.ts";
import { conditionsOf, stateOf } from "../../src/status/conditions.ts";
import type { KnownCertificate } from "../../src/status/certificates.ts";
import { prometheusText } from "../../src/status/metrics.ts";
import { planOf, plannedStep, stepOf, timeOf, whenOf } from "../../src/status/plan.ts";
import { documentOf, viewOf } from "../../src/status/describe.ts";
import type { CertificateStatus } from "../../src/state/certificate-status.ts";

const day = 86_400_000;
/** A Sunday. */
const issued = new Date("2026-03-01T12:00:00.000Z");
const after = (days: number) => new Date(issued.getTime() + days * day);

const plain: CertificateRequest = {
  name: "shop",
  identifiers: [{ type: "dns", value: "shop.example.com" }],
  keyType: "ec256",
  reuseKey: false,
  issuer: { server: "https://ca.example/directory", agreeTos: true },
  solvers: [{ name: "standalone", use: "standalone", options: {} }],
  labels: {},
  outputs: {},
  hooks: {},
};

/** Issued for ninety days. */
function certificate(
  status: Partial<CertificateStatus>,
  change: Partial<CertificateRequest> = {},
): KnownCertificate {
  const request = { ...plain, ...change };
  const meta: VersionMeta = {
    identifiers: request.identifiers,
    serial: "01",
    fingerprint: "ab",
    issuer: "R11",
    notBefore: issued.toISOString(),
    notAfter: after(90).toISOString(),
    keyType: "ec256",
    directory: request.issuer.server,
    account: "account",
    certificateUrl: "https://ca.example/certificate/1",
    orderUrl: "https://ca.example/order/1",
    issuedAt: issued.toISOString(),
    requestHash: requestHash(request),
  };
  return {
    name: "shop",
    request,
    status: { failures: 0, ...status },
    held: { version: 1, meta },
  };
}

function condition(one: KnownCertificate, type: string, now: Date) {
  return conditionsOf(one, now).find((known) => known.type === type);
}

const nothing = { faults: [], clocks: [] };

function kindsOf(one: KnownCertificate, now: Date): readonly string[] {
  return check(one, nothing, 0, now).findings.map(({ kind }) => kind);
}

function metric(one: KnownCertificate, name: string, now: Date): string | undefined {
  const text = prometheusText({ certificates: [one], broken: [] }, now);
  return text.split("\n").find((line) => line.startsWith(`acmectl_certificate_${name}{`));
}

test("a certificate whose validity has not begun is not ready", () => {
  const one = certificate({});
  const before = after(-1);
  expect(condition(one, "Ready", before)).toMatchObject({ status: false, reason: "NotYetValid" });
  expect(stateOf(one, before)).toBe("not yet valid");
  expect(kindsOf(one, before)).toEqual(["not ready"]);
  // Clocks differ.
  const justBefore = new Date(issued.getTime() - 60_000);
  expect(condition(one, "Ready", justBefore)).toMatchObject({ status: true });
});

describe("a failure before the CA was asked", () => {
  const problem = {
    type: "urn:acmectl:problem:config",
    title: "Wrong configuration",
    detail: "no such zone",
  };
  const startedAt = after(60).toISOString();
  const failed = certificate({
    lastAttempt: { startedAt, outcome: "failed", events: [], problem },
  });

  test("a failure before the CA was asked is shown with its reason, and the next run tries again", () => {
    expect(condition(failed, "BackingOff", after(60))).toEqual({
      type: "BackingOff",
      status: false,
      reason: "RetryDue",
      message: "The last attempt failed; the next run tries again: no such zone",
    });
    expect(stateOf(failed, after(60))).toBe("valid, last attempt failed");
    expect(metric(failed, "last_attempt_failed", after(60))).toMatch(/ 1$/);
    expect(metric(certificate({}), "last_attempt_failed", after(60))).toMatch(/ 0$/);
  });

  test("a failure before the CA was asked fails status --check only once the certificate is due", () => {
    expect(kindsOf(failed, after(59))).toEqual([]);
    const checked = check(failed, nothing, 0, after(60));
    expect(checked.findings.map(({ kind }) => kind)).toEqual(["failing"]);
    expect(problemOfChecks([checked], 1)?.message).toContain("no such zone");
    expect(kindsOf(certificate({}), after(60))).toEqual([]);
  });

  test("a failure before the CA was asked is forgotten with the next success", () => {
    const again = certificate({ lastAttempt: { startedAt, outcome: "issued", events: [] } });
    expect(condition(again, "BackingOff", after(60))).toMatchObject({ reason: "NoFailure" });
    expect(kindsOf(again, after(60))).toEqual([]);
  });
});

describe("a permanent refusal", () => {
  const refused = certificate({
    failures: 1,
    retryAt: after(60.5).toISOString(),
    retryReason: "permanent",
    failedRequest: requestHash(plain),
    lastAttempt: { startedAt: after(60).toISOString(), outcome: "failed", events: [] },
  });
  const now = after(60.1);

  test("the plan shows the solvers, with the challenge type where one was chosen", () => {
    const solvers = [
      { name: "web", use: "webroot", options: {} },
      { name: "hook", use: "exec", options: {}, challenge: "http-01" as const },
    ];
    const certificates = [{ ...refused, request: { ...refused.request, solvers } }];
    const steps = certificates.map((one) => plannedStep(one, {}, now));
    const plan = planOf(steps, [], false, now);
    expect(plan.document).toMatchObject({ certificates: [{ solvers: ["web", "hook (http-01)"] }] });
    expect(JSON.stringify(plan.view)).toContain("web, hook (http-01)");
  });

  test("a permanent refusal has no retry time in plan, status, document and metrics", () => {
    const step = stepOf(refused, now);
    expect(step).toMatchObject({ action: "wait", reason: expect.stringContaining("--force") });
    expect(timeOf(step, now)).toBeUndefined();
    const plan = planOf([plannedStep(refused, {}, now)], [], false, now);
    const shown = [plan, documentOf(refused, now), viewOf(refused, { detailed: true }, now)];
    expect(JSON.stringify(shown)).not.toContain(after(60.5).toISOString());
    expect(JSON.stringify(shown)).not.toContain("retryAt");
    expect(metric(refused, "retry_timestamp_seconds", now)).toBeUndefined();
    expect(condition(refused, "BackingOff", now)).toMatchObject({
      reason: "Refused",
      message: expect.stringContaining("--force"),
    });
  });

  test("a back-off has a retry time, unlike a permanent refusal", () => {
    const waiting = certificate({ ...refused.status, retryReason: "backoff" });
    const step = stepOf(waiting, now);
    expect(timeOf(step, now)).toEqual(after(60.5));
    expect(metric(waiting, "retry_timestamp_seconds", now)).toMatch(/ \d+$/);
    expect(documentOf(waiting, now)["status"]).toHaveProperty("retryAt");
  });
});

describe("deploy steps that wait for a window", () => {
  /** Mondays from two to four. */
  const window: DeployWindow = { start: "0 2 * * 1", duration: day / 12, timeZone: "UTC" };
  const change = { hooks: { deploy: [{ run: "reload" }] }, windows: [window] };
  const undeployed = certificate({}, change);
  const opens = new Date("2026-03-02T02:00:00.000Z");

  test("a deploy step that waits for its window is planned for its opening, and status --check passes", () => {
    const step = stepOf(undeployed, issued);
    expect(step).toMatchObject({ action: "wait", until: opens });
    expect(timeOf(step, issued)).toEqual(opens);
    expect(condition(undeployed, "Deployed", issued)).toMatchObject({
      status: false,
      reason: "WaitingForWindow",
      message: expect.stringContaining("2026-03-02 02:00 UTC"),
    });
    expect(stateOf(undeployed, issued)).toBe("valid, waiting for its window");
    expect(kindsOf(undeployed, issued)).toEqual([]);
    expect(metric(undeployed, "deploy_window_timestamp_seconds", issued)).toMatch(
      new RegExp(` ${opens.getTime() / 1000}$`),
    );
  });

  test("a waiting deploy step passes status --check while its window is open, and fails once it has closed", () => {
    const during = new Date("2026-03-02T03:00:00.000Z");
    expect(stepOf(undeployed, during)).toMatchObject({ action: "deploy" });
    expect(condition(undeployed, "Deployed", during)).toMatchObject({ reason: "WindowOpen" });
    expect(kindsOf(undeployed, during)).toEqual([]);
    const late = new Date("2026-03-02T04:00:00.000Z");
    expect(stepOf(undeployed, late)).toMatchObject({
      action: "wait",
      until: new Date("2026-03-09T02:00:00.000Z"),
    });
    expect(condition(undeployed, "Deployed", late)).toMatchObject({
      reason: "StepPending",
      message: expect.stringContaining("2026-03-09 02:00 UTC"),
    });
    expect(kindsOf(undeployed, late)).toEqual(["undeployed"]);
    expect(metric(undeployed, "deploy_window_timestamp_seconds", late)).toBeUndefined();
  });

  test("a failed deploy step fails status --check at once, whatever its window", () => {
    const [known] = stepsOf(undeployed.request);
    const state = { version: 1, state: "failed", at: opens.toISOString(), detail: "no" } as const;
    const failed = certificate({ deploy: { [known?.key ?? ""]: state } }, change);
    expect(condition(failed, "Deployed", issued)).toMatchObject({ reason: "StepFailed" });
    expect(kindsOf(failed, issued)).toEqual(["undeployed"]);
  });

  test("plan and conditions show the opening in the time zone of the window", () => {
    const berlin = { ...window, timeZone: "Europe/Berlin" };
    const waiting = certificate({}, { ...change, windows: [window, berlin] });
    const opening = "2026-03-02 02:00 Europe/Berlin";
    expect(whenOf(stepOf(waiting, issued), issued)).toMatch(new RegExp(`^${opening}, in \\d+ `));
    expect(condition(waiting, "Deployed", issued)?.message).toContain(opening);
  });

  test("deploy steps run while the renewal backs off, unless the window is closed", () => {
    const backingOff = {
      failures: 1,
      retryAt: after(60.5).toISOString(),
      failedRequest: requestHash(undeployed.request),
    };
    const open = certificate(backingOff, { hooks: change.hooks });
    const step = stepOf(open, after(60.1));
    expect(step).toMatchObject({ action: "deploy", until: after(60.5) });
    expect(timeOf(step, after(60.1))).toEqual(after(60.1));
    const closed = stepOf(certificate(backingOff, change), after(60.1));
    expect(closed).toMatchObject({ action: "wait", until: after(60.5) });
  });

  test("a pending deploy step without a window fails status --check at once", () => {
    const open = certificate({}, { hooks: change.hooks });
    expect(stepOf(open, issued)).toMatchObject({ action: "deploy" });
    expect(kindsOf(open, issued)).toEqual(["undeployed"]);
  });
});

test("a revoked certificate is not ready, however long it is valid", () => {
  const revoked = { fingerprint: "ab", at: issued.toISOString(), reason: "keyCompromise" };
  const one = certificate({ revoked });
  expect(condition(one, "Ready", after(1))).toMatchObject({ status: false, reason: "Revoked" });
  expect(kindsOf(one, after(1))).toEqual(["revoked"]);
  expect(stepOf(one, after(1))).toMatchObject({ action: "re-issue" });
});

test("what the next run would renew before the run after it is planned now", () => {
  const held = certificate({});
  const due = stepOf(held, issued).dueAt?.getTime() ?? 0;
  const before = new Date(due - day / 2);
  const exitCode = (every: number | undefined) =>
    planOf([plannedStep(held, { every }, before)], [], true, before).exitCode;
  expect([exitCode(undefined), exitCode(day)]).toEqual([0, 10]);
});
