import { expect, test } from "vitest";
import { openTrace } from "../../src/issue/trace.ts";

const record = "_acme-challenge.example.com";
const asked = (solver: string) => ({ challenge: "dns-01", solver, place: record });

test("a wildcard and its base keep their own challenges, though they share a record", () => {
  const trace = openTrace();
  trace.note({ step: "order", order: "https://ca.example/order/1" });
  for (const identifier of ["example.com", "*.example.com"]) {
    trace.note({
      identifier,
      authorization: `https://ca.example/authz/${identifier}`,
      status: "pending",
    });
    trace.note({ identifier, ...asked("cf"), status: "presented" });
  }
  trace.note({ identifier: "*.example.com", server: "ns1 (192.0.2.1:53)", saw: "NXDOMAIN" });
  trace.note({ identifier: "*.example.com", server: "ns1 (192.0.2.1:53)", saw: "visible" });
  expect(trace.read()).toEqual({
    orderUrl: "https://ca.example/order/1",
    authorizations: [
      {
        identifier: "example.com",
        url: "https://ca.example/authz/example.com",
        status: "pending",
        challenges: [
          { type: "dns-01", solver: "cf", place: record, status: "presented", looks: [] },
        ],
      },
      {
        identifier: "*.example.com",
        url: "https://ca.example/authz/*.example.com",
        status: "pending",
        challenges: [
          {
            type: "dns-01",
            solver: "cf",
            place: record,
            status: "presented",
            looks: [{ server: "ns1 (192.0.2.1:53)", saw: "visible" }],
          },
        ],
      },
    ],
  });
});

test("the solver that failed and the one that took its place both stay, looks with the one they are about", () => {
  const trace = openTrace();
  const identifier = "example.com";
  trace.note({ identifier, authorization: "https://ca.example/authz/1", status: "pending" });
  trace.note({ identifier, ...asked("cf"), status: "presented" });
  trace.note({ identifier, server: "ns1", saw: "NXDOMAIN" });
  const problem = { type: "urn:acmectl:problem:propagation", title: "not visible" };
  trace.note({ identifier, ...asked("cf"), status: "failed", problem });
  trace.note({ identifier, ...asked("lab"), status: "presented" });
  trace.note({ identifier, server: "ns1", saw: "visible" });
  trace.note({
    identifier,
    ...asked("lab"),
    authorization: "https://ca.example/authz/1",
    status: "valid",
  });
  expect(trace.read().authorizations).toMatchObject([
    {
      status: "valid",
      challenges: [
        { solver: "cf", status: "failed", looks: [{ saw: "NXDOMAIN" }], problem },
        { solver: "lab", status: "valid", looks: [{ saw: "visible" }] },
      ],
    },
  ]);
});

test("events that tell of something else, or of a name without an authorization, add nothing", () => {
  const trace = openTrace();
  trace.note({ step: "cleanup" });
  trace.note({ step: "preflight", identifier: "_acme-challenge.example.com", status: "valid" });
  trace.note({ identifier: "example.com", ...asked("cf"), status: "presented" });
  expect(trace.read()).toEqual({});
});
