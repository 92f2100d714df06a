import { describe, expect, test } from "vitest";
import { challengeHint, hintFor } from "../../src/acme/hints.ts";
import {
  httpDate,
  links,
  retryAfter,
  retryAfterIn,
  serverTime,
} from "../../src/acme/transport/headers.ts";
import { createLimit } from "../../src/limit.ts";
import { createNoncePool } from "../../src/acme/transport/exchange.ts";
import { refusal } from "../../src/acme/problems.ts";
import { printable } from "../../src/acme/text.ts";
import type { Directory } from "../../src/acme/acme.ts";
import { signal } from "./world.ts";

const now = new Date("2026-06-01T00:00:00Z");
const flags = "--server https://ca.example/directory";
const url = "https://ca.example/acme/new-order";
const directory: Directory = {
  url: "https://ca.example/directory",
  newNonce: url,
  newAccount: url,
  newOrder: url,
  meta: {
    termsOfService: "https://ca.example/terms",
    caaIdentities: ["ca.example", "other.example"],
    externalAccountRequired: false,
    profiles: { classic: "90 days" },
  },
};

function refused(status: number, body: unknown, headers: Record<string, string> = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = {
    url,
    status,
    headers,
    text,
    body: typeof body === "string" ? undefined : body,
  };
  const accountUrl = "https://ca.example/acct/7";
  return refusal(answer, { what: "new order", flags, directory, accountUrl }, now);
}
const acme = (type: string, more: object = {}) => ({
  type: `urn:ietf:params:acme:error:${type}`,
  detail: "in the CA's words",
  ...more,
});

describe("a CA's problem", () => {
  test.each([
    "accountDoesNotExist",
    "alreadyReplaced",
    "alreadyRevoked",
    "badCSR",
    "badNonce",
    "badPublicKey",
    "badRevocationReason",
    "badSignatureAlgorithm",
    "caa",
    "compound",
    "connection",
    "dns",
    "externalAccountRequired",
    "incorrectResponse",
    "invalidContact",
    "invalidProfile",
    "malformed",
    "orderNotReady",
    "rateLimited",
    "rejectedIdentifier",
    "serverInternal",
    "tls",
    "unauthorized",
    "unsupportedContact",
    "unsupportedIdentifier",
    "userActionRequired",
  ])("a CA's problem of type %s keeps type and detail, and gets a hint", (type) => {
    const problem = refused(400, acme(type));
    expect(problem.document).toMatchObject({ ...acme(type), status: 400 });
    expect(problem.message).toBe("in the CA's words");
    expect(problem.hint).toMatch(/\w{3}/);
  });

  test("the problem orderNotReady gets a hint that an operator can follow", () => {
    expect(refused(403, acme("orderNotReady")).hint).toContain("Run the command again");
  });

  test("the problem caa shows the CAA record to add", () => {
    const { hint } = refused(403, acme("caa"));
    expect(hint).toContain('CAA 0 issue "ca.example"');
    expect(hint).toContain("https://ca.example/acct/7");
    expect(hint).toContain("validationmethods");
  });

  test("the problem userActionRequired shows the page to open and the terms", () => {
    const headers = { link: '<https://ca.example/terms/v8>; rel="terms-of-service"' };
    const { hint } = refused(
      403,
      acme("userActionRequired", { instance: "https://ca.example/do" }),
      headers,
    );
    expect(hint).toContain("https://ca.example/do");
    expect(hint).toContain("https://ca.example/terms/v8");
  });

  test.each([
    [429, acme("rateLimited"), {}, 6, true],
    [403, acme("rateLimited"), { "retry-after": "60" }, 6, true],
    [503, acme("serverInternal"), { "retry-after": "60" }, 6, true],
    [500, acme("serverInternal"), {}, 5, true],
    [403, acme("rejectedIdentifier"), {}, 5, false],
    [400, { type: "urn:new:type", detail: "x" }, {}, 5, false],
    [400, { detail: "no type" }, {}, 5, false],
    [503, "<html>", { "retry-after": "60" }, 6, true],
    [502, "<html>", {}, 4, true],
    [404, "<html>", {}, 4, true],
  ])("the answer %i %j %j ends with exit code %i", (status, body, headers, code, retryable) => {
    const problem = refused(status, body, headers);
    expect([problem.exitCode, problem.retryable, problem.document.status]).toEqual([
      code,
      retryable,
      status,
    ]);
  });

  test("a CA's problem keeps up to 200 subproblems, without control characters", () => {
    const part = acme("dns", {
      detail: "a\u001b[2Jb",
      identifier: { type: "dns", value: "x.example" },
    });
    const body = acme("compound", {
      subproblems: [part, 7, ...Array.from({ length: 999 }, () => part)],
    });
    const { subproblems = [] } = refused(403, body).document;
    expect(subproblems[0]).toMatchObject({ detail: "a [2Jb", identifier: { value: "x.example" } });
    expect(subproblems.length).toBeLessThanOrEqual(200);
  });
});

const hint = (type: string, challenge: string) => challengeHint(acme(type).type, challenge);

test("the hint for a challenge depends on its error and its type", () => {
  expect(hint("connection", "http-01")).toContain("port 80");
  expect(hint("connection", "tls-alpn-01")).toContain("port 443");
  expect(hint("unauthorized", "dns-01")).toContain("TXT");
  expect(hint("dns", "dns-01")).not.toBe(hint("dns", "http-01"));
  expect(hint("tls", "http-01")).toContain("TLS");
  expect(hint("caa", "dns-01")).toContain("CAA");
  expect(hint("unheard-of", "dns-01")).toMatch(/^Fix what/);
  expect(challengeHint(undefined)).toMatch(/^Fix what/);
  for (const detail of ["NXDOMAIN looking up A for a.test", "DNS problem: SERVFAIL"])
    expect(challengeHint(acme("connection").type, "http-01", { detail })).toMatch(/public DNS/);
  expect(challengeHint(acme("connection").type, "http-01", { detail: "refused" })).toMatch(/80/);
});

const wait = (text: string, date?: string) =>
  (retryAfter({ "retry-after": text, ...(date ? { date } : {}) }, now)?.getTime() ?? NaN) -
  now.getTime();

describe("the end of a rate limit in the words of the CA", () => {
  const limited = (detail: string, headers = {}) =>
    refused(429, acme("rateLimited", { detail }), headers).retryAt?.toISOString();

  test.each([
    [
      "too many certificates (5), retry after 2026-06-02 08:00:00 UTC: see https://…",
      "2026-06-02T08:00:00.000Z",
    ],
    ["too many requests, retry after 2026-06-02T08:00:00Z", "2026-06-02T08:00:00.000Z"],
    ["Try again after 2026-06-02 08:00 UTC.", "2026-06-02T08:00:00.000Z"],
    ["retry after 2027-06-02 08:00:00 UTC", "2026-06-08T00:00:00.000Z"],
  ])(
    "the end of a rate limit is read from the detail when there is no Retry-After: %s",
    (detail, at) => {
      expect(limited(detail)).toBe(at);
    },
  );

  test.each([
    "retry after 2026-05-02 08:00:00 UTC",
    "retry after 2026-13-45 08:00:00 UTC",
    "retry after 2 days",
    "your certificate of 2026-06-02 08:00:00 UTC",
  ])("the end of a rate limit is not read from: %s", (detail) => {
    expect(limited(detail)).toBeUndefined();
  });

  test("the time in the detail is not used beside a Retry-After, nor for other errors", () => {
    const detail = "retry after 2026-06-02 08:00:00 UTC";
    expect(limited(detail, { "retry-after": "60" })).toBe("2026-06-01T00:01:00.000Z");
    expect(refused(400, acme("malformed", { detail })).retryAt).toBeUndefined();
  });

  test("the end of a rate limit is read on the CA's clock", () => {
    const headers = { date: "Mon, 01 Jun 2026 01:00:00 GMT" };
    expect(limited("retry after 2026-06-01 03:00:00 UTC", headers)).toBe(
      "2026-06-01T02:00:00.000Z",
    );
  });
});

describe("a request that the CA does not implement (501)", () => {
  const hintOf = (what: string) => {
    const body = acme("rejectedIdentifier", {
      detail: "The requested resource is not implemented",
    });
    const answer = { url, status: 501, headers: {}, text: "", body };
    const problem = refusal(answer, { what, flags, directory }, now);
    return [problem.exitCode, problem.retryable, problem.hint] as const;
  };

  test("the hint for a 501 depends on the request, not on the error type", () => {
    // step-ca and Caddy answer a key change so.
    const [exitCode, retryable, hint] = hintOf("key change");
    expect([exitCode, retryable]).toEqual([5, false]);
    expect(hint).toMatch(/cannot change an account key/);
    expect(hintOf("revocation")[2]).toBe("This CA does not implement the request (revocation).");
  });
});

test("the hint for an error depends on the request that failed", () => {
  const hintOf = (type: string, what: string) => hintFor(acme(type).type, { what, flags });
  expect(hintOf("unauthorized", "new account")).toContain("--eab-hmac");
  expect(hintOf("unauthorized", "revocation")).toContain("certificate's own key");
  expect(hintOf("unauthorized", "order")).toContain("account show");
  expect(hintOf("rejectedIdentifier", "new order")).toContain("Leave the name out");
  expect(hintOf("rejectedIdentifier", "new account")).not.toContain("name out");
  expect(hintOf("badPublicKey", "finalization")).toContain("--key-type");
  expect(hintOf("badPublicKey", "new account")).not.toContain("--key-type");
});

test.each([
  ["rejectedIdentifier", "The order has 300 identifiers; at most 100 are accepted.", 100],
  ["malformed", "Order cannot contain more than 25 DNS names", 25],
  ["malformed", "Too many domains", 100],
])("the hint for %s (%s) is to split the names, at most %i each", (type, detail, most) => {
  const hint = hintFor(acme(type).type, { what: "new order", flags, detail });
  expect(hint).toBe(`Split the names over several certificates, at most ${most} each.`);
});

test.each([
  "notBefore and notAfter are not supported; choose a profile.",
  "not_after is beyond what the policy allows",
])("the hint for a refusal of the dates (%s) is to leave them out", (detail) => {
  const hint = hintFor(acme("malformed").type, { what: "new order", flags, detail });
  expect(hint).toContain("Leave --duration, --not-before and --not-after out");
});

describe("Retry-After", () => {
  test("Retry-After is seconds or a date, at most seven days", () => {
    expect(wait("120")).toBe(120_000);
    expect(wait("0")).toBe(0);
    expect(wait("Mon, 01 Jun 2026 00:01:00 GMT")).toBe(60_000);
    expect(wait("Sun, 31 May 2026 00:00:00 GMT")).toBe(0);
    expect(wait("9999999")).toBe(7 * 86_400_000);
    expect(wait("Fri, 01 Jan 2100 00:00:00 GMT")).toBe(7 * 86_400_000);
  });
  test("a Retry-After date is read on the CA's clock", () => {
    expect(wait("Mon, 01 Jun 2026 01:01:00 GMT", "Mon, 01 Jun 2026 01:00:00 GMT")).toBe(60_000);
  });
  test("the CA's clock is its date and the age of a cache's copy", () => {
    const now = new Date("2026-06-01T00:00:00Z");
    const date = "Mon, 01 Jun 2026 01:00:00 GMT";
    const seconds = (age: string) =>
      (serverTime({ date, age }, now).getTime() - now.getTime()) / 1e3;
    expect(seconds("90")).toBe(3_690);
    for (const age of ["", "-5", "soon", "9".repeat(20)]) expect(seconds(age)).toBe(3_600);
    expect(serverTime({ age: "90" }, now)).toEqual(now);
  });
  test("the end of a rate limit in words counts if it is still to come", () => {
    const now = new Date("2026-06-01T00:00:00Z");
    const end = (text: string) => retryAfterIn(text, {}, now)?.toISOString();
    expect(end("retry after 2026-06-01 00:00:01 UTC")).toBe("2026-06-01T00:00:01.000Z");
    expect(end("retry after 2026-06-01 00:00:00 UTC")).toBeUndefined();
    expect(end("retry after 2026-13-41 00:00:00 UTC")).toBeUndefined();
    expect(end("retry later")).toBeUndefined();
  });
  test.each(["", "soon", "-5", "1e9", "9".repeat(20), "2026-06-01"])(
    "a Retry-After of %j is ignored",
    (text) => {
      expect(wait(text)).toBeNaN();
    },
  );
  test("Retry-After dates in other forms are ignored", () => {
    expect(httpDate("2")).toBeUndefined();
    expect(httpDate("Sunday, 06-Nov-94 08:49:37 GMT")?.getUTCDate()).toBe(6);
  });
});

test("links are found in joined fields, and relative links are resolved", () => {
  const link =
    '<https://ca.example/dir>;rel="index", </cert/1/alt>; title="a, b"; rel="alternate", <x?y>;rel=alternate, <z>; rel="up alternate"';
  expect(links({ link }, "alternate", "https://ca.example/cert/1")).toEqual([
    "https://ca.example/cert/1/alt",
    "https://ca.example/cert/x?y",
    "https://ca.example/cert/z",
  ]);
  expect(links({}, "alternate", url)).toEqual([]);
});

test("the newest nonce is taken first, and the pool is bounded", () => {
  const pool = createNoncePool(2);
  for (const nonce of ["a", "b", "bad nonce", undefined, "", "c"]) pool.add(nonce);
  expect([pool.take(), pool.take(), pool.take()]).toEqual(["c", "b", undefined]);
});

test("a limit runs a fixed number of tasks at once, in order, and skips those aborted while they wait", async () => {
  const limit = createLimit(2);
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const task = (index: number) => () => {
    begun.push(index);
    return new Promise<void>((resolve) => void ends.push(resolve));
  };
  const controller = new AbortController();
  const first = [limit(task(0), signal), limit(task(1), signal)];
  const aborted = limit(task(2), controller.signal);
  const last = limit(task(3), signal);
  controller.abort(new Error("stop"));
  await expect(aborted).rejects.toThrow("stop");
  expect(begun).toEqual([0, 1]);
  ends[0]?.();
  await first[0];
  await Promise.resolve();
  expect(begun).toEqual([0, 1, 3]);
  ends.slice(1).forEach((end) => end());
  await Promise.all([...first, last]);
});

test("text from others becomes one line without control characters", () => {
  expect(printable("a\r\nb\u001b]0;x\u0007\u202Ec\u2028d\u009b1m")).toBe("a b ]0;x c d 1m");
  expect(printable("x".repeat(3000), 10)).toBe("xxxxxxxxxx…");
});
