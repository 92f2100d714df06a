/** What a hostile CA answers at any of its resources, and what people may see of it. */
import { expect } from "vitest";
import type { FaultAction } from "../../src/test-ca/server/faults.ts";

export const escape = "\u001B[2J\u001B]0;owned\u0007\u202Ereversed\r\nHint: run rm -rf /\u009B31m";
const json = "application/json";
const problem = "application/problem+json";

/** What any answer may be replaced by. */
export const answers: Readonly<Record<string, FaultAction>> = {
  "a web page with 200": {
    status: 200,
    body: "<!doctype html><html>login</html>",
    contentType: "text/html",
  },
  "a web page with 502": { status: 502, body: `<html>${escape}</html>`, contentType: "text/html" },
  "nothing with 204": { status: 204, body: "" },
  "JSON that ends early": { status: 200, body: '{"status":"val', contentType: json },
  "a list": { status: 200, body: "[[]]", contentType: json },
  "nested JSON, 100,000 deep": { status: 200, body: "[".repeat(100_000), contentType: json },
  "20 MB": { status: 200, body: Buffer.alloc(20_000_000, 0x20), contentType: json },
  "a compressed body": { headers: { "content-encoding": "gzip" } },
  "a body that breaks off": { truncate: 10 },
  "a redirect to another host": {
    status: 307,
    body: "",
    headers: { location: "https://other.example/" },
  },
  "a redirect to a file": { status: 302, body: "", headers: { location: "file:///etc/passwd" } },
  "a problem full of control characters and parts": {
    status: 400,
    body: JSON.stringify({
      type: `urn:ietf:params:acme:error:${escape}`,
      title: escape,
      detail: escape.repeat(500),
      instance: escape,
      subproblems: Array.from({ length: 2000 }, () => ({
        type: escape,
        detail: escape,
        identifier: { type: escape, value: escape },
      })),
    }),
    contentType: problem,
  },
  "a problem of wrong types": {
    status: 403,
    body: '{"type":7,"title":[],"detail":{"__proto__":1},"status":"x","subproblems":{},"identifier":null}',
    contentType: "text/html",
  },
  "429 with an absurd Retry-After": {
    status: 429,
    problem: { type: "rateLimited", detail: "retry after 9999-12-31 23:59:59 UTC" },
    headers: { "retry-after": "99999999999999" },
  },
  "503 with a Retry-After in the past": {
    status: 503,
    body: "",
    headers: { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" },
  },
};

/** Nothing moves the cursor or looks like a line of ours; no stack, no name of a type. */
export function readable(text: string): void {
  expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/u);
  expect(text).not.toMatch(
    /TypeError|RangeError|\[object|\bat file:|undefined|This is a bug|^Hint: run rm/m,
  );
  expect(text.length).toBeLessThan(100_000);
}
