/** A CA that lies, floods and stalls, seen from outside: whatever it answers, nothing is lost, and the next run goes on. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { FaultAction, ResourceKind } from "../../src/test-ca/server/faults.ts";
import { newVersion } from "../state/material.ts";
import { testClock } from "../support/clock.ts";
import { drawn, survived } from "../support/counted.ts";
import { answers, escape, readable } from "../support/hostile-answers.ts";
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

/** Each answer at some of the resources. */
const replaced = drawn(
  resources.flatMap((on) =>
    Object.entries(answers)
      .filter(([, { body }]) => on !== "newNonce" || body === "")
      .map(([what, action]) => ({ on, what, action })),
  ),
  30,
  ({ what }) => what,
);

describe("a hostile CA", () => {
  let issuing: Issuing;
  let count = 0;
  beforeAll(async () => {
    issuing = await startIssuing({ asynchronous: { delay: 5 } });
  });
  afterAll(() => {
    survived("answers of a hostile CA", count);
    return issuing?.[Symbol.asyncDispose]();
  });

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
    const some = replaced.filter((one) => one.on === on);

    test.each(some)("$what costs at most the run", async ({ what, action }) => {
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
