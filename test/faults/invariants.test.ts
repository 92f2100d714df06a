/** Each invariant can fail: a run that breaks one is reported, and a good run is not. */
import { spawn } from "node:child_process";
import { chmod, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { RequestRecord } from "../../src/test-ca/test-ca.ts";
import { faultsOf, invariants, type Invariant } from "../support/invariants/invariants.ts";
import type { RunSeen } from "../support/invariants/rule.ts";
import { seeState } from "../support/invariants/state.ts";
import { programsAfter } from "../support/invariants/surroundings.ts";
import { newVersion, requestOf } from "../state/material.ts";
import { never, openStore } from "../state/state.ts";

interface World {
  readonly root: string;
  readonly key: string;
  /** Commits another version. */
  readonly commit: (serial: string) => Promise<void>;
  readonly journal: (orderUrl: string | undefined, csr?: string) => Promise<void>;
}

type Change = (world: World) => Promise<Partial<RunSeen>> | Partial<RunSeen>;

const issue = ["issue", "-d", "shop.example.com"];
const order = "https://ca.example/order/1";

const broken: readonly (readonly [Invariant, string, Change])[] = [
  [
    "current is a matching pair",
    "the key of another certificate",
    async ({ root, commit }) => {
      await commit("0c");
      const other = await readFile(join(root, versions, "1/privkey.pem"));
      await writeFile(join(root, versions, "2/privkey.pem"), other);
      return {};
    },
  ],
  [
    "current is a matching pair",
    "an empty certificate",
    async ({ root, commit }) => {
      await commit("0c");
      await writeFile(join(root, versions, "2/cert.pem"), "");
      return {};
    },
  ],
  [
    "current never goes back",
    "no certificate any more",
    async ({ root }) => {
      await rm(join(root, "certificates/shop/current"));
      return {};
    },
  ],
  [
    "an unfinished order is kept",
    "another order in its place, although the CA was not reached",
    async ({ journal }) => {
      await journal("https://ca.example/order/2");
      return { ca: { asked: [asked("order", 503)], ever: [] } };
    },
  ],
  [
    "an unfinished order is kept",
    "no journal any more, although the CA answered with a page",
    async ({ root }) => {
      await rm(join(root, "pending/shop.json"));
      return { ca: { asked: [asked("order", 200)], ever: [] } };
    },
  ],
  [
    "an unfinished order is kept",
    "the order without the key of its CSR",
    async ({ journal }) => {
      await journal(order);
      return {};
    },
  ],
  [
    "only the owner reads the state",
    "a record that every user may read",
    async ({ root }) => {
      await chmod(join(root, "certificates/shop/certificate.json"), 0o644);
      return {};
    },
  ],
  [
    "nothing temporary is left",
    "half a record",
    async ({ root }) => {
      await writeFile(join(root, "pending/.shop.json.tmp-0a"), "{", { mode: 0o600 });
      return {};
    },
  ],
  [
    "nothing temporary is left",
    "a lock",
    async ({ root }) => {
      await symlink("{}", join(root, "locks/certificate_shop.lock"));
      return {};
    },
  ],
  [
    "no challenge is left",
    "a challenge in the journal",
    async ({ root }) => {
      const path = join(root, "pending/shop.json");
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replace('"presented": []', '"presented": [{}]'));
      return {};
    },
  ],
  [
    "exit code 0 means that the goal is met",
    "success without a certificate for the name",
    () => ({ words: ["issue", "-d", "other.example.com"] }),
  ],
  [
    "exit code 0 means that the goal is met",
    "a refusal with another certificate",
    async ({ commit }) => {
      await commit("0c");
      return { code: 5 };
    },
  ],
  [
    "exit code 0 means that the goal is met",
    "success with a failed attempt",
    ({ root }) => {
      const attempts = new Map([["shop", '{"outcome":"failed"}']]);
      return { after: { ...seeState(root), attempts } };
    },
  ],
  [
    "at most one order per attempt",
    "two orders for the same names",
    () => ({ ca: { asked: [asked("newOrder", 201), asked("newOrder", 201)], ever: [] } }),
  ],
  [
    "no nonce twice",
    "a nonce that was sent again",
    () => ({ ca: { asked: [], ever: [asked("order", 200), asked("authz", 200)] } }),
  ],
  ["no secret is shown", "a private key", ({ key }) => ({ stdout: key })],
  [
    "no secret is shown",
    "a token of the environment",
    () => ({ env: { CLOUDFLARE_API_TOKEN: "not-for-eyes" }, stderr: "failed with not-for-eyes" }),
  ],
  [
    "no secret is shown",
    "a private key in the environment of a hook",
    ({ key }) => ({ surroundings: { ...quiet, children: [{ ...child(), env: [`KEY=${key}`] }] } }),
  ],
  [
    "--json prints one document",
    "two documents",
    () => ({ words: [...issue, "--json"], stdout: "{}\n{}\n" }),
  ],
  [
    "--json prints one document",
    "another exit code than the document",
    () => ({ words: [...issue, "--json"], stdout: '{"problem":{"code":5}}' }),
  ],
  [
    "no words of the machine are shown",
    "a stack",
    () => ({ stderr: "Error: x\n    at issue (/a/issue.ts:1:2)\n" }),
  ],
  ["no words of the machine are shown", "a bug", () => ({ code: 1 })],
  [
    "nothing is left running",
    "a listener",
    async () => {
      const server = createServer().listen(0, "127.0.0.1");
      onTestFinished(() => void server.close());
      await new Promise((resolve) => server.once("listening", resolve));
      return { surroundings: { ...quiet, servers: [server] } };
    },
  ],
  [
    "nothing is left running",
    "a program",
    () => ({ surroundings: { ...quiet, children: [child()] } }),
  ],
  [
    "nothing is left running",
    "a program of a run that was a process of its own",
    ({ root }) => {
      const [first, other] = [child(), child({ STATE: root })];
      const left = programsAfter(first.process.pid ?? 0, [root]);
      expect([left, other.argv.join(" ")]).toEqual([["sleep 60"], "sleep 60"]);
      return { left };
    },
  ],
  [
    "what PostgreSQL has in use is a matching pair",
    "the key of another certificate",
    () => ({ database: { ...tables, unusable: ["version 1 of shop has another key"] } }),
  ],
  [
    "what PostgreSQL has in use never goes back",
    "an older version",
    () => ({ database: { ...tables, held: new Map([["shop", 1]]) } }),
  ],
  [
    "PostgreSQL has no secret in the clear",
    "a key in the clear",
    () => ({ env: { ACMECTL_STATE_KEY: "k" }, database: { ...tables, clear: ["versions"] } }),
  ],
  [
    "no lease and no challenge is left in PostgreSQL",
    "a lease",
    () => ({ database: { ...tables, leases: ["certificate:shop"] } }),
  ],
  [
    "no lease and no challenge is left in PostgreSQL",
    "an answer",
    () => ({ database: { ...tables, presented: ["an answer for shop.example.com"] } }),
  ],
  [
    "no other host is contacted",
    "a request to another place",
    () => ({
      surroundings: { ...quiet, contacted: new Set(["127.0.0.1:4711"]) },
      ca: { asked: [], ever: [] },
    }),
  ],
];

test.each(broken)("%s: %s is reported", async (invariant, _, change) => {
  const { run } = await goodRun(change);
  const isOf = (fault: string) => fault.startsWith(`${invariant}: `);
  expect(faultsOf(run).filter(isOf)).toHaveLength(1);
  expect(faultsOf(run, { [invariant]: "to see that it is excused" }).filter(isOf)).toEqual([]);
});

test("a good run breaks no invariant, and each invariant is broken by some run", async () => {
  expect(faultsOf((await goodRun(() => ({}))).run)).toEqual([]);
  expect(new Set(broken.map(([invariant]) => invariant))).toEqual(new Set(invariants));
});

const versions = "certificates/shop/versions";
const quiet = {
  children: [],
  servers: [],
  listened: new Set<number>(),
  contacted: new Set<string>(),
};

const tables = {
  held: new Map([["shop", 2]]),
  unusable: [],
  clear: [],
  leases: [],
  presented: [],
};

function child(env: Record<string, string> = {}) {
  const process = spawn("sleep", ["60"], { env: { PATH: "/usr/bin:/bin", ...env } });
  onTestFinished(() => void process.kill("SIGKILL"));
  return { process, argv: ["sleep", "60"], env: [] };
}

function asked(kind: RequestRecord["kind"], status: number): RequestRecord {
  return {
    method: "POST",
    path: kind === "order" ? "/order/1" : `/${kind}`,
    kind,
    headers: { host: "127.0.0.1:14000" },
    protected: { nonce: "n1" },
    payload: { identifiers: [{ type: "dns", value: "shop.example.com" }] },
    time: new Date(),
    status,
    answer: undefined,
  };
}

/** `issue` that had a certificate and an unfinished order before, and has them still; then `change` is made. */
async function goodRun(change: Change): Promise<{ run: RunSeen }> {
  const { store, root } = await openStore();
  const version = await newVersion("0a");
  const commit = async (serial: string) => {
    const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
    await store.certificates.commit(
      "shop",
      serial === "0a" ? version : await newVersion(serial),
      lock,
    );
    await lock.release();
  };
  const journal = (orderUrl: string | undefined, csr?: string) =>
    store.journal.write({
      name: "shop",
      directory: "https://ca.example/directory",
      accountId: "a",
      requestHash: "h",
      startedAt: "2026-03-01T00:00:00.000Z",
      presented: [],
      orderUrl,
      csr,
      privateKey: csr === undefined ? undefined : version.privateKey,
    });
  await store.certificates.saveRequest(requestOf("shop"));
  await commit("0a");
  await journal(order, "MIIB");
  const before = seeState(root);
  const changed = await change({ root, key: version.privateKey, commit, journal });
  const database = { database: tables, heldBefore: tables.held };
  const good = { words: issue, env: {}, config: "", code: 0, stdout: "Done.", stderr: "" };
  return { run: { ...good, before, after: seeState(root), alone: true, ...database, ...changed } };
}
