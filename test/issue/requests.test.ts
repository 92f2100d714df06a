import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";

test("one name from an existing account takes the nine requests that RFC 8555 needs, and a certificate held takes none", async () => {
  await using issuing = await startIssuing({ asynchronous: { delay: 10 } });
  expect((await issuing.issue(["-d", "first.example.test"])).code).toBe(0);
  const before = issuing.ca.requests.length;
  expect((await issuing.issue(["-d", "second.example.test"])).code).toBe(0);
  const asked = issuing.ca.requests.slice(before).map(({ method, kind }) => `${method} ${kind}`);
  // On a slow machine the CA may not be done at the first look.
  const repeated = (one: string, at: number) => one === asked[at - 1];
  expect(asked.filter((one, at) => !repeated(one, at))).toEqual([
    "GET directory",
    "HEAD newNonce",
    "POST newOrder",
    "POST authz",
    "POST challenge",
    "POST authz",
    "POST finalize",
    "POST order",
    "POST certificate",
  ]);
  const then = issuing.ca.requests.length;
  expect((await issuing.issue(["-d", "second.example.test"])).stdout).toContain("exists already");
  expect(issuing.ca.requests).toHaveLength(then);
});

test("a name that was validated before touches no solver", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", "known.example.test"])).code).toBe(0);
  const before = issuing.ca.requests.length;
  const again = await issuing.issue(["-d", "known.example.test", "--force"]);
  expect(again.code).toBe(0);
  expect(again.stderr).not.toContain("presenting");
  expect(issuing.ca.requests.slice(before).map(({ kind }) => kind)).not.toContain("challenge");
});
