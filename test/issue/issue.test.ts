import {
  createPrivateKey as readKey,
  createPublicKey,
  webcrypto,
  X509Certificate,
} from "node:crypto";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Target } from "../../src/plugin.ts";
import { Problem } from "../../src/problem.ts";
import { createCsr } from "../../src/acme/certificate/new-csr.ts";
import { createPrivateKey } from "../../src/acme/keys.ts";
import { signerOf } from "../../src/acme/signer.ts";
import { issue } from "../../src/issue/issue.ts";
import type { IssueTools } from "../../src/issue/tools.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import type { Lock } from "../../src/state/store.ts";
import { silentLog } from "../../src/testing.ts";
import { algorithm, askedFor, forged } from "../support/forged.ts";
import { heard, problemOf, setOf, settingOf, solverOf, world, type World } from "./world.ts";

const name = "shop.example.test";
const day = 86_400_000;
const anew = { isWanted: () => true };

/** A store that shares nothing but the folder, as another process has it. */
const otherStore = ({ store, tools }: World) =>
  openFolderStore(store.where, { log: silentLog, clock: tools.clock });

describe("issuing", () => {
  test("two runs at once make one order; the second one waits and finds the certificate", async () => {
    const it = await world({ asynchronous: true });
    const request = it.requestFor([name]);
    const runs = [it.again(), it.again({ store: otherStore(it) })];
    const outcomes = await Promise.all(runs.map((tools) => issue(request, {}, tools)));
    expect(outcomes.filter(({ issued }) => issued)).toHaveLength(1);
    expect(new Set(outcomes.map(({ held }) => held.meta.serial)).size).toBe(1);
    expect(it.count("newOrder")).toBe(1);
    expect(runs.flatMap((tools) => heard(tools, "info")).join("\n")).toMatch(
      /waiting for .*, which is working on shop\.example\.test/,
    );
  });

  test.each([
    ["a copy", { copy: { combined: "/nowhere/tls/x.pem" } }],
    ["a key store", { pkcs12: { path: "/nowhere/tls/x.p12", password: "env:P" } }],
  ])(
    "of a first certificate fails before the order if the folder of %s is missing",
    async (_, step) => {
      const it = await world();
      const request = it.requestFor([name], { hooks: { deploy: [step] } });
      const problem = await problemOf(it.issue(request));
      expect([problem.exitCode, problem.hint]).toEqual([2, "Create it: mkdir -p /nowhere/tls"]);
      expect(it.count("newOrder")).toBe(0);
      const pre = [{ run: "mkdir -p /nowhere/tls" }];
      await it.issue(it.requestFor([name], { hooks: { deploy: [step], pre } }));
      await it.issue(request, { isWanted: () => true });
      expect(it.count("newOrder")).toBe(2);
    },
  );

  test("a run that lost its lock does not commit", async () => {
    const it = await world();
    let stolen: Lock | undefined;
    it.server.faults.add({
      on: "certificate",
      do: {
        call: async () => {
          const locks = join(it.store.where, "locks");
          for (const file of await readdir(locks))
            if (file.includes("certificate")) await rm(join(locks, file), { recursive: true });
          const { signal } = it.tools;
          stolen = await otherStore(it).lock(`certificate:${name}`, { wait: 0, signal });
        },
      },
    });
    const problem = await problemOf(it.issue(it.requestFor([name])));
    expect(stolen).toBeDefined();
    await stolen?.release();
    expect(problem.is("locked")).toBe(true);
    expect((await it.store.certificates.read(name))?.held).toBeUndefined();
    // Nothing is lost: the journal has the order, its key and its CSR.
    expect((await it.issue(it.requestFor([name]))).issued).toBe(true);
    expect(it.count("newOrder")).toBe(1);
  });

  test("changed hooks are stored without issuing", async () => {
    const it = await world();
    const request = it.requestFor([name]);
    await it.issue(request);
    const before = it.server.requests.length;
    const changed = { ...request, labels: { team: "shop" } };
    expect((await it.issue(changed)).issued).toBe(false);
    expect((await it.store.certificates.read(name))?.request.labels).toEqual({ team: "shop" });
    expect(it.server.requests).toHaveLength(before);
  });

  test("issue replaces a revoked certificate, and keeps one whose predecessor was revoked", async () => {
    const it = await world();
    const request = it.requestFor([name]);
    const { held } = await it.issue(request);
    const revoke = async (fingerprint: string) =>
      it.store.certificates.updateStatus(name, (status) => ({
        ...status,
        revoked: { fingerprint, reason: "superseded", at: it.tools.clock.now().toISOString() },
      }));
    await revoke("of-another-one");
    expect((await it.issue(request)).issued).toBe(false);
    await revoke(held.meta.fingerprint);
    expect((await it.issue(request)).issued).toBe(true);
  });

  test("accepts a certificate that begins in the future by a clock that is slow", async () => {
    const it = await world();
    it.tools.clock.set(new Date(it.tools.clock.now().getTime() - 3 * day));
    expect((await it.issue(it.requestFor([name]))).issued).toBe(true);
  });

  test("a CA that asks for no proof needs no solver", async () => {
    const it = await world();
    await it.issue(it.requestFor([name]));
    const trusted = { ...it.requestFor([name], { solvers: [] }), name: "trusted" };
    expect((await it.issue(trusted)).issued).toBe(true);
    const problem = await problemOf(it.issue(it.requestFor(["other.test"], { solvers: [] })));
    expect(problem.message).toContain("no solver was chosen for it");
  });

  test("a certificate for the user's own CSR is issued, and no key is kept", async () => {
    const it = await world();
    const pem = await createPrivateKey("ec256");
    const request = it.requestFor([name]);
    const csr = Buffer.from(await createCsr(signerOf(pem), request.identifiers)).toString("base64");
    const { held } = await it.issue({ ...request, csr });
    expect((await it.store.certificates.files(name))?.privateKey).toBeUndefined();
    expect(held.meta.keyType).toBe("csr");
    const stored = await it.store.certificates.readCertificate(name);
    expect(createPublicKey(stored?.certificate ?? "").equals(createPublicKey(pem))).toBe(true);
  });

  test("a CSR for the account's key is refused before any request is made", async () => {
    const it = await world();
    await it.issue(it.requestFor(["first.example.test"]));
    const [account] = await it.store.accounts.list();
    const request = it.requestFor([name]);
    const csr = Buffer.from(await createCsr(signerOf(account?.key ?? ""), request.identifiers));
    const before = it.server.requests.length;
    const problem = await problemOf(it.issue({ ...request, csr: csr.toString("base64") }));
    expect(problem.exitCode).toBe(2);
    expect(problem.message).toContain("RFC 8555 §11.1");
    expect(it.server.requests).toHaveLength(before);
  });

  test("hooks are called before an order, after it, and when it failed", async () => {
    const it = await world();
    const told: string[] = [];
    const around: IssueTools["around"] = {
      temporary: async () => {},
      pre: async (_, held) => void told.push(`pre ${held === undefined ? "first" : "again"}`),
      issued: () => void told.push("issued"),
      failure: async (_, error) => void told.push(`failure ${Problem.is(error)}`),
    };
    const request = it.requestFor([name]);
    await issue(request, {}, it.again({ around }));
    // Asked once more without `replaces`.
    const refusal = { problem: { type: "rejectedIdentifier" } };
    it.server.faults.add({ on: "newOrder", times: 2, do: refusal });
    await problemOf(issue(request, anew, it.again({ around })));
    expect(told).toEqual(["pre first", "issued", "pre again", "failure true"]);
    const stop = { ...around, pre: () => Promise.reject(new Problem("deploy", { detail: "no" })) };
    const before = it.count("newOrder");
    await problemOf(issue(request, anew, it.again({ around: stop })));
    expect(it.count("newOrder")).toBe(before);
  });
});

describe("what solvers find out before an order exists", () => {
  /** The outcome with these solvers, the first one preferred. */
  async function checked(
    ...preflights: readonly ((targets: readonly Target[]) => Promise<void>)[]
  ) {
    const it = await world();
    const web = await it.tools.solvers.open(settingOf("web"));
    const solvers = preflights.map((preflight, index) => ({
      ...solverOf(`web${index}`, { types: ["http-01"] }),
      solver: { ...web.solver, preflight },
    }));
    const tools = it.again({ solvers: setOf(...solvers) });
    const request = it.requestFor([name, "www.example.test"], {
      solvers: solvers.map(({ setting }) => setting),
    });
    return { it, tools, run: issue(request, {}, tools) };
  }

  test("a solver that cannot be opened is tried once for all names, and the next one takes its place", async () => {
    const asked: (readonly string[])[] = [];
    const { run, tools } = await checked(
      () => Promise.reject(new Error("token expired")),
      async (targets) => void asked.push(targets.map(({ identifier }) => identifier.value)),
    );
    expect((await run).issued).toBe(true);
    expect(asked).toEqual([[name, "www.example.test"]]);
    expect(heard(tools, "warn")[0]).toBe(
      "solver web0 failed for shop.example.test: Solver web0 did not pass its own check: token expired; trying web1",
    );
  });

  test("when no solver is left, the first failure is reported and no order is made", async () => {
    const { it, run, tools } = await checked(
      () => Promise.reject(new Error("token expired")),
      () => Promise.reject(new Problem("machine", { detail: "port 80 is taken" })),
    );
    const problem = await problemOf(run);
    expect(problem.exitCode).toBe(7);
    expect(problem.message).toBe("Solver web0 did not pass its own check: token expired");
    expect(heard(tools, "warn").at(-1)).toMatch(/port 80 is taken; no other is left$/);
    // The directory and a nonce are fetched meanwhile.
    expect(it.server.requests.filter(({ method }) => method === "POST")).toEqual([]);
  });

  test("a single solver that fails is reported once", async () => {
    const { run, tools } = await checked(() =>
      Promise.reject(new Problem("machine", { detail: "port 80 is taken" })),
    );
    expect((await problemOf(run)).message).toBe("port 80 is taken");
    expect(heard(tools, "warn")).toEqual([]);
  });
});

describe("a CA that sends what was not asked for", () => {
  const strangers = async () =>
    (await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])).publicKey;

  test.each([
    ["a certificate for another key", async () => forged(await strangers(), [name]), /another key/],
    [
      "another name's",
      async (it) => forged(askedFor(it.server), ["evil.test"]),
      /evil\.test|shop\.example\.test/,
    ],
    [
      "one that has expired",
      async (it) => forged(askedFor(it.server), [name], { to: -1000 }),
      /expired|notAfter|until/,
    ],
    [
      "one of next year",
      async (it) => forged(askedFor(it.server), [name], { from: 365 * day, to: 400 * day }),
      /not valid|begin|before|from/,
    ],
    [
      "a private key beside it",
      async (_, pem) =>
        `${pem}-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA==\n-----END PRIVATE KEY-----\n`,
      /PRIVATE KEY|other than|certificate/i,
    ],
    [
      "a chain of a thousand",
      async (_, pem) => pem.repeat(500),
      /\d+ certificates|bytes|large|long/i,
    ],
    ["megabytes", async (_, pem) => pem + "# comment\n".repeat(400_000), /bytes|large|long/i],
    ["nothing", async () => "", /certificate/],
    ["a web page", async () => "<html>502</html>", /certificate/],
  ] satisfies [string, (it: World, pem: string) => Promise<string>, RegExp][])(
    "has %s refused: nothing of it is stored, and what was held stays",
    async (_, forge, why) => {
      const it = await world();
      const { held } = await it.issue(it.requestFor([name]));
      const { certificate = "", chain = "" } =
        (await it.store.certificates.readCertificate(name)) ?? {};
      const key = await it.store.certificates.readPrivateKey(name);
      let sent = "";
      it.server.faults.add({
        on: "certificate",
        times: Infinity,
        do: {
          call: async () => {
            sent = await forge(it, certificate + chain);
          },
          pem: () => sent,
        },
      });
      const problem = await problemOf(it.issue(it.requestFor([name]), anew));
      expect(problem.message).toMatch(why);
      expect(problem.exitCode).toBe(4);
      const after = await it.store.certificates.read(name);
      expect(after?.held).toEqual(held);
      expect(after?.status).toMatchObject({ failures: 1, lastAttempt: { outcome: "failed" } });
      expect(await it.store.certificates.readCertificate(name)).toEqual({ certificate, chain });
      expect(await it.store.certificates.readPrivateKey(name)).toBe(key);
      const versions = join(it.store.where, "certificates", name, "versions");
      expect(await readdir(versions)).toEqual(["1"]);
    },
  );

  test("a refused certificate is kept with its key and said, and the next run orders anew", async () => {
    const it = await world();
    const request = it.requestFor([name]);
    let sent = "";
    const forge = {
      call: async () => void (sent = await forged(askedFor(it.server), [name], { to: -1000 })),
    };
    it.server.faults.add({ on: "certificate", do: { ...forge, pem: () => sent } });
    const problem = await problemOf(it.issue(request));
    const folder = join(it.store.where, "certificates", name, "refused", "1");
    expect(problem.message).toMatch(/expired at .*\. The certificate and its key are kept in /);
    expect(problem.message).toContain(folder);
    const text = (file: string) => readFile(join(folder, file), "utf8");
    expect(await text("fullchain.pem")).toBe(sent);
    const key = await text("privkey.pem");
    expect(new X509Certificate(sent).checkPrivateKey(readKey(key))).toBe(true);
    expect(JSON.parse(await text("refusal.json"))).toMatchObject({
      directory: it.server.directoryUrl,
      why: expect.stringMatching(/expired/) as string,
    });
    expect(await it.store.journal.names()).toEqual([]);
    expect((await it.issue(request)).issued).toBe(true);
    expect(it.count("newOrder")).toBe(2);
  });

  test("a certificate with an added name, without AKI and chain, is stored and reported, and is no reason to issue again", async () => {
    const it = await world();
    const request = it.requestFor([name]);
    let sent = "";
    const names = [name, `www.${name}`];
    const forge = { call: async () => void (sent = await forged(askedFor(it.server), names)) };
    const properties =
      "-----BEGIN CERTIFICATE PROPERTIES-----\nAAEC\n-----END CERTIFICATE PROPERTIES-----\n";
    it.server.faults.add({ on: "certificate", do: { ...forge, pem: () => properties + sent } });
    const { held } = await it.issue(request);
    expect(held.meta.added).toEqual([{ type: "dns", value: `www.${name}` }]);
    expect(held.meta.ariId).toBeUndefined();
    const events = (await it.store.certificates.read(name))?.status.lastAttempt?.events ?? [];
    const warnings = events.filter(({ level }) => level === "warn");
    expect(warnings.map(({ message }) => message)).toEqual([
      `the CA added www.${name} to the certificate, which was not ordered`,
    ]);
    const version = join(it.store.where, "certificates", name, "versions", "1");
    expect(await readFile(join(version, "properties.pem"), "utf8")).toBe(properties);
    expect(await readFile(join(version, "fullchain.pem"), "utf8")).toBe(sent);
    const dropped: string[] = [];
    const onDrop = async (lost: readonly string[]) => void dropped.push(...lost);
    expect((await it.issue(request, { onDrop })).issued).toBe(false);
    await it.issue(request, { ...anew, onDrop });
    expect(dropped).toEqual([]);
  });
});
