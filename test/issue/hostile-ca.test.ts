/** A CA that lies, floods and stalls, seen from outside: whatever it answers, nothing is lost, and the next run goes on. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FaultAction, ResourceKind } from "../../src/test-ca/server/faults.ts";
import { newVersion } from "../state/material.ts";
import { testClock } from "../support/clock.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";

const resources = [
  "directory",
  "newNonce",
  "newAccount",
  "newOrder",
  "authz",
  "challenge",
  "finalize",
  "order",
  "certificate",
] as const satisfies readonly ResourceKind[];
type Resource = (typeof resources)[number];

const escape = "\u001B[2J\u001B]0;owned\u0007\u202Ereversed\r\nHint: run rm -rf /\u009B31m";
const json = "application/json";
const problem = "application/problem+json";

/** What any answer may be replaced by. */
const answers: Readonly<Record<string, FaultAction>> = {
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

/** What is added to an answer and does no harm. */
const additions: FaultAction = {
  headers: {
    link: Array.from({ length: 300 }, (_, n) => `<https://other.example/${n}>;rel="up"`).join(", "),
  },
  mutate: (json) => ({ ...json, [escape]: escape, ["__proto__"]: { status: "valid" } }),
};

const other = "https://other.example/1";
const set = (change: object): FaultAction => ({ mutate: (json) => ({ ...json, ...change }) });
const dns = (value: string) => ({ type: "dns", value });
const challenge = (change: object): FaultAction => ({
  mutate: ({ challenges, ...json }) => ({
    ...json,
    challenges: (challenges as object[]).map((one) => ({ ...one, ...change })),
  }),
});

/** Answers of the right form that do not tell the truth. */
const lies: readonly (readonly [string, Resource, FaultAction | (() => Promise<FaultAction>)])[] = [
  ["an order for another name", "newOrder", set({ identifiers: [dns("other.example.test")] })],
  ["an order with a name more", "newOrder", set({ identifiers: [dns("a.test"), dns("b.test")] })],
  ["an order without names", "newOrder", set({ identifiers: [] })],
  ["an order with its finalize URL elsewhere", "newOrder", set({ finalize: other })],
  ["an order with http links", "newOrder", set({ authorizations: ["http://localhost/authz"] })],
  ["an order with links to files", "newOrder", set({ finalize: "file:///etc/passwd" })],
  ["an order with a login in its links", "newOrder", set({ finalize: "https://a:b@127.0.0.1/" })],
  ["an order that is elsewhere", "newOrder", { headers: { location: other } }],
  ["an order that is nowhere", "newOrder", { headers: { location: undefined } }],
  ["an order of an unknown status", "order", set({ status: escape })],
  ["an order that stays in processing", "order", set({ status: "processing" })],
  ["an order that is pending again", "order", set({ status: "pending" })],
  ["an order whose status flaps", "order", flapping()],
  [
    "an order with its certificate elsewhere",
    "order",
    set({ status: "valid", certificate: other }),
  ],
  ["an order that is valid without a certificate", "order", { mutate: withoutCertificate }],
  ["an authorization for another name", "authz", set({ identifier: dns("other.example.test") })],
  ["an authorization for a wildcard", "authz", set({ wildcard: true })],
  ["an authorization of an unknown status", "authz", set({ status: 7 })],
  ["an authorization that stays pending", "authz", set({ status: "pending" })],
  ["a token with a path", "authz", challenge({ token: "../../../../etc/cron.d/x" })],
  ["a token with control characters", "authz", challenge({ token: `${escape}aaaaaaaaaaaaaaaa` })],
  ["a challenge elsewhere", "authz", challenge({ url: other })],
  ["a challenge by http", "authz", challenge({ url: "http://127.0.0.1/" })],
  ["a private key beside the certificate", "certificate", { pem: (pem) => pem + privateKey }],
  [
    "a command in a certificate",
    "certificate",
    { pem: (pem) => pem.replace("-----END", "$(reboot)\n-----END") },
  ],
  ["a chain of 200 certificates", "certificate", { pem: (pem) => pem.repeat(100) }],
  ["an empty certificate", "certificate", { pem: () => "" }],
  ["a certificate for another key", "certificate", foreignCertificate],
];

const privateKey =
  "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n";

function withoutCertificate(order: Record<string, unknown>) {
  return { ...order, certificate: undefined, status: "valid" };
}

function flapping(): FaultAction {
  const statuses = ["pending", "processing", "ready"];
  let turn = 0;
  return { mutate: (json) => ({ ...json, status: statuses[(turn += 1) % statuses.length] }) };
}

async function foreignCertificate(): Promise<FaultAction> {
  const { certificate } = await newVersion("01");
  return { pem: () => certificate };
}

describe("a hostile CA", () => {
  let issuing: Issuing;
  let count = 0;
  beforeAll(async () => {
    issuing = await startIssuing({ asynchronous: { delay: 5 } });
  });
  afterAll(() => issuing?.[Symbol.asyncDispose]());

  /** One run that meets the fault, and the state that it leaves. */
  async function meet(on: Resource, action: FaultAction) {
    count += 1;
    const name = `n${count}.example.test`;
    const state = join(issuing.state, name);
    const clock = testClock();
    const before = issuing.ca.requests.length;
    const issue = async () => {
      const { httpPort, words } = issuing;
      const elsewhere = words.map((word) => (word === issuing.state ? state : word));
      const solver = ["--standalone", "--standalone-port", String(httpPort)];
      const place = ["--self-check-at", `127.0.0.1:${httpPort}`];
      const all = ["issue", "-d", name, ...solver, ...place, ...elsewhere];
      const ran = await run(all, { clock, env: { HOME: issuing.state } });
      readable(ran.stdout + ran.stderr);
      expect(ran.code).not.toBe(1);
      return ran;
    };
    issuing.ca.faults.add({ on, phase: "after", times: Infinity, do: action });
    const started = performance.now();
    const first = await issue();
    expect(performance.now() - started).toBeLessThan(30_000);
    issuing.ca.faults.clear();
    const requests = () => issuing.ca.requests.slice(before);
    const pending = await readFile(join(state, "pending", `${name}.json`), "utf8").then(
      (text) => JSON.parse(text) as { orderUrl?: string; privateKey?: string },
      () => undefined,
    );
    return { name, state, clock, first, issue, requests, pending };
  }

  type Met = Awaited<ReturnType<typeof meet>>;
  const asked = ({ requests }: Met, kind: ResourceKind) =>
    requests().filter((one) => one.kind === kind).length;

  async function expectPair(met: Met) {
    const folder = join(met.state, "certificates", met.name, "current");
    const leaf = new X509Certificate(await readFile(join(folder, "cert.pem")));
    const key = createPrivateKey(await readFile(join(folder, "privkey.pem")));
    expect(leaf.checkPrivateKey(key)).toBe(true);
  }

  /** With those of certificates that cannot be used. */
  async function keysOf({ name, state, pending }: Met): Promise<string> {
    const refused = join(state, "certificates", name, "refused");
    const files = await readdir(refused, { recursive: true }).catch(() => []);
    const keys = files.filter((file) => file.endsWith(".pem"));
    const texts = await Promise.all(keys.map((file) => readFile(join(refused, file), "utf8")));
    return [pending?.privateKey, ...texts].join("\n");
  }

  /** A later run gets the certificate, with the order that was there if its URL was known. */
  async function recover(met: Met, isSameOrder = true) {
    met.clock.advance(2 * 60_000);
    const again = await met.issue();
    expect(again.code, again.stderr).toBe(0);
    await expectPair(met);
    if (isSameOrder && met.pending?.orderUrl !== undefined) expect(asked(met, "newOrder")).toBe(1);
  }

  describe.each(resources)("that answers %s with", (on) => {
    const some = Object.entries(answers).filter(([, { body }]) => on !== "newNonce" || body === "");

    test.each(some)("%s costs at most the run", async (what, action) => {
      const met = await meet(on, action);
      // Where the order says the same, or the CA is asked once more, the run goes on.
      if (met.first.code === 0) return expectPair(met);
      expect(met.first.code, met.first.stderr).toBeGreaterThan(2);
      // The CA has made the order, and its answer was read.
      if (asked(met, "authz") > 0) expect(met.pending?.orderUrl).toMatch(/^https:/);
      if (asked(met, "finalize") > 0) expect(met.pending?.privateKey).toContain("PRIVATE KEY");
      // The CA validates though its answer is broken; the response is gone by then.
      if (!what.startsWith("429")) await recover(met, on !== "challenge");
    });

    test("nonces that are none, floods of links and unknown members still issues", async () => {
      const met = await meet(on, additions);
      expect(met.first.code, met.first.stderr).toBe(0);
      await expectPair(met);
    });
  });

  test.each(lies)(
    "%s ends the run, and the next one gets the certificate",
    async (what, on, action) => {
      const met = await meet(on, typeof action === "function" ? await action() : action);
      expect(met.first.code, met.first.stderr).toBeGreaterThan(2);
      const isKept =
        met.pending?.orderUrl !== undefined || on === "newOrder" || on === "certificate";
      expect(isKept, what).toBe(true);
      if (asked(met, "finalize") > 0) expect(await keysOf(met)).toContain("PRIVATE KEY");
      await recover(met);
    },
  );
});

/** Nothing moves the cursor or looks like a line of ours; no stack, no name of a type. */
function readable(text: string): void {
  expect(text.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\u202A-\u202E\u2066-\u2069]/u);
  expect(text).not.toMatch(
    /TypeError|RangeError|\[object|\bat file:|undefined|This is a bug|^Hint: run rm/m,
  );
  expect(text.length).toBeLessThan(100_000);
}
