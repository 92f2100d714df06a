import { expect, test } from "vitest";
import type { Authorization, Order } from "../../src/acme/acme.ts";
import { openRecord } from "../../src/issue/record.ts";
import { Problem } from "../../src/problem.ts";
import { challengeFor, recordingLog } from "../../src/testing.ts";
import { testClock } from "../support/clock.ts";
import { pendingBy, solverOf, unexpected } from "./world.ts";

const clock = testClock();
const open = (redact = (text: string) => text) => {
  const log = recordingLog();
  return { log, record: openRecord(clock.now(), { log, clock, redact }) };
};
const authorization = (wildcard = false): Authorization => ({
  url: `https://ca.example/authz/${wildcard ? "wild" : "plain"}`,
  status: "pending",
  identifier: { type: "dns", value: "example.com" },
  wildcard,
  challenges: [],
});
const pending = (solver: string, wildcard = false) => ({
  ...pendingBy(solverOf(solver), challengeFor("dns-01", "example.com", { wildcard })),
  identifier: { type: "dns", value: wildcard ? "*.example.com" : "example.com" } as const,
  authorization: authorization(wildcard).url,
});
const record = "_acme-challenge.example.com";

test("a challenge has the type that the CA offered, though its solver answers dns-01", () => {
  const { record: attempt } = open();
  attempt.authorization(authorization(false));
  const one = pending("cf");
  attempt.presented({ ...one, offered: { ...one.offered, type: "dns-account-01" } });
  expect(attempt.end()).toMatchObject({
    authorizations: [{ challenges: [{ type: "dns-account-01" }] }],
  });
});

test("a wildcard and its base keep their own challenges, though they share a record", () => {
  const { record: attempt } = open();
  attempt.order(unexpected<Order>("order", { url: "https://ca.example/order/1" }));
  for (const wildcard of [false, true]) {
    attempt.authorization(authorization(wildcard));
    const one = pending("cf", wildcard);
    attempt.presented(one);
    if (!wildcard) continue;
    attempt.check(one, "ns1 (192.0.2.1:53)", "NXDOMAIN");
    attempt.check(one, "ns1 (192.0.2.1:53)", "visible");
  }
  const shown = { type: "dns-01", solver: "cf", place: record, status: "presented" };
  expect(attempt.end()).toMatchObject({
    outcome: "issued",
    orderUrl: "https://ca.example/order/1",
    authorizations: [
      {
        identifier: "example.com",
        url: "https://ca.example/authz/plain",
        status: "pending",
        challenges: [{ ...shown, looks: [] }],
      },
      {
        identifier: "*.example.com",
        url: "https://ca.example/authz/wild",
        status: "pending",
        challenges: [{ ...shown, looks: [{ server: "ns1 (192.0.2.1:53)", saw: "visible" }] }],
      },
    ],
  });
});

test("the solver that failed and the one that took its place both stay, looks with the one they are about", () => {
  const { record: attempt } = open();
  const [first, second] = [pending("cf"), pending("lab")];
  attempt.authorization(authorization());
  attempt.presented(first);
  attempt.check(first, "ns1", "NXDOMAIN");
  attempt.failed(first, new Problem("propagation", { detail: "not visible", hint: "wait" }));
  attempt.presented(second);
  attempt.check(second, "ns1", "visible");
  attempt.validated(second);
  expect(attempt.end().authorizations).toMatchObject([
    {
      status: "valid",
      challenges: [
        {
          solver: "cf",
          status: "failed",
          looks: [{ saw: "NXDOMAIN" }],
          problem: { type: "urn:acmectl:problem:propagation", hint: "wait" },
        },
        { solver: "lab", status: "valid", looks: [{ saw: "visible" }] },
      ],
    },
  ]);
});

test("the CA's own words for a challenge are kept, and its authorization is invalid", () => {
  const { record: attempt } = open();
  attempt.authorization(authorization());
  const one = pending("cf");
  attempt.presented(one);
  const reason = { type: "urn:ietf:params:acme:error:dns", title: "dns-01 failed" };
  const error = new Problem("validation", { detail: "no", hint: "look", subproblems: [reason] });
  attempt.refused(one, error);
  expect(attempt.end(error)).toMatchObject({
    outcome: "failed",
    authorizations: [
      {
        status: "invalid",
        challenges: [{ status: "invalid", problem: { ...reason, hint: "look" } }],
      },
    ],
    problem: { detail: "no" },
    events: expect.arrayContaining([expect.objectContaining({ level: "error", message: "no" })]),
  });
});

test("a line that was written under a step is kept and logged with its fields, and no secret is kept", () => {
  const { record: attempt, log } = open((text) => text.replaceAll("hunter2", "***"));
  attempt.log("cleanup", "example.com").warn("the token is hunter2", { server: "ns1" });
  expect(log.entries).toMatchObject([
    { level: "warn", fields: { step: "cleanup", identifier: "example.com", server: "ns1" } },
  ]);
  expect(attempt.end().events).toMatchObject([
    { step: "cleanup", identifier: "example.com", message: "the token is ***" },
  ]);
});

test("what the pipeline does now is progress, and its warnings are not", () => {
  const shown: string[] = [];
  const progress = (message: string) => void shown.push(message);
  const log = { ...recordingLog(), progress };
  const attempt = openRecord(clock.now(), { log, clock, redact: (text) => text });
  attempt.log("order").info("ordering example.com");
  attempt.log("order").warn("the clock is off");
  expect(shown).toEqual(["ordering example.com"]);
  expect(log.entries).toMatchObject([{ level: "warn" }]);
});

test("what happens to a name without an authorization adds nothing to the tree", () => {
  const { record: attempt } = open();
  const one = pending("cf");
  attempt.presented(one);
  attempt.check(one, "ns1", "visible");
  expect(attempt.end().authorizations).toBeUndefined();
});
