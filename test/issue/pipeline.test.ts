import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { copyFile, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { certificateId } from "../../src/acme/certificate/extensions.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { run, type RunOptions } from "../support/run.ts";
import { testClock } from "../support/clock.ts";
import { temporaryFolder } from "../support/state.ts";

interface Shown {
  outcome: string;
  certificates: {
    serial: string;
    notAfter: string;
    outcome: string;
    paths: { fullchain: string };
  }[];
  problem?: { detail: string };
}

const shown = (stdout: string) => JSON.parse(stdout) as Shown;
const day = 86_400_000;

describe("issue with the certificate of the last run", () => {
  let issuing: Issuing;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let cert: string;
  let key: string;
  let first: Shown;
  beforeAll(async () => {
    issuing = await startIssuing();
    folder = await temporaryFolder();
    cert = join(folder.path, "fullchain.pem");
    key = join(folder.path, "privkey.pem");
    const ran = await issuing.issue(["-d", "shop.example.test", "--json"]);
    first = shown(ran.stdout);
    const current = join(issuing.state, "certificates", "shop.example.test", "current");
    await copyFile(join(current, "fullchain.pem"), cert);
    await copyFile(join(current, "privkey.pem"), key);
  });
  afterAll(async () => {
    await folder[Symbol.asyncDispose]();
    await issuing[Symbol.asyncDispose]();
  });

  /** A run as pipelines have it: with no state of an earlier one. */
  const pipeline = async (words: readonly string[], settings: RunOptions = {}) => {
    await using state = await temporaryFolder();
    const before = issuing.ca.requests.length;
    const proof = ["--standalone", "--standalone-port", String(issuing.httpPort)];
    const place = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`, "--agree-tos"];
    const where = [...issuing.words.slice(0, 4), "--state", join(state.path, "s")];
    const ran = await run(["issue", ...words, "--json", ...proof, ...place, ...where], {
      env: { HOME: state.path },
      ...settings,
    });
    const orders = issuing.ca.requests
      .slice(before)
      .filter(({ kind }) => kind === "newOrder").length;
    return { ...ran, document: shown(ran.stdout), orders };
  };

  it("orders nothing while it is good, and tells its dates", async () => {
    const words = ["-d", "shop.example.test", "--current-cert", cert, "--current-key", key];
    const { code, document, orders } = await pipeline(words);
    expect({ code, outcome: document.outcome, orders }).toEqual({
      code: 0,
      outcome: "unchanged",
      orders: 0,
    });
    expect(document.certificates[0]).toMatchObject({
      serial: first.certificates[0]?.serial,
      notAfter: first.certificates[0]?.notAfter,
      paths: { fullchain: cert, privateKey: key },
    });
  });

  it("reads both files when a CI variable has lost their line breaks", async () => {
    const joined = join(folder.path, "joined.pem");
    const joinedKey = join(folder.path, "joined.key");
    const spoil = async (path: string) => (await readFile(path, "utf8")).replaceAll("\n", " ");
    await writeFile(joined, await spoil(cert));
    await writeFile(joinedKey, await spoil(key));
    const words = ["-d", "shop.example.test", "--current-cert", joined, "--current-key", joinedKey];
    const { document, orders } = await pipeline(words);
    expect({ outcome: document.outcome, orders }).toEqual({ outcome: "unchanged", orders: 0 });
  });

  it.each([
    ["names", ["-d", "shop.example.test,www.example.test"]],
    ["key type", ["-d", "shop.example.test", "--key-type", "ec384"]],
    ["--force", ["-d", "shop.example.test", "--force"]],
  ])("issues anew for other %s", async (_, words) => {
    const { code, document, orders } = await pipeline([...words, "--current-cert", cert]);
    expect({ code, outcome: document.outcome, orders }).toEqual({
      code: 0,
      outcome: "issued",
      orders: 1,
    });
  });

  it("goes by the CA's renewal window, choosing the same time in it in every run", async () => {
    const leaf = new X509Certificate(await readFile(cert));
    const window = (from: number, to: number) => ({
      start: new Date(Date.now() + from),
      end: new Date(Date.now() + to),
    });
    const words = ["-d", "shop.example.test", "--current-cert", cert];
    const id = certificateId(leaf) ?? "";
    issuing.ca.setRenewalInfo(id, window(-2 * day, -day));
    expect((await pipeline(words)).document.outcome).toBe("issued");
    issuing.ca.setRenewalInfo(id, window(-50 * day, 50 * day));
    const outcomes = new Set<string>();
    for (let run = 0; run < 4; run += 1) outcomes.add((await pipeline(words)).document.outcome);
    expect(outcomes.size).toBe(1);
    issuing.ca.setRenewalInfo(id, window(40 * day, 41 * day));
    expect((await pipeline(words)).document.outcome).toBe("unchanged");
  });

  it("goes by the lifetime when the CA tells nothing", async () => {
    const fault = issuing.ca.faults.add({
      on: "renewalInfo",
      times: Infinity,
      do: { status: 404 },
    });
    const words = ["-d", "shop.example.test", "--current-cert", cert];
    const after = (days: number) => ({ clock: testClock(new Date(Date.now() + days * day)) });
    const early = await pipeline(words, after(59));
    const late = await pipeline(words, after(61));
    fault.remove();
    expect(early.document.outcome).toBe("unchanged");
    expect(early.stderr).toContain("no renewal information");
    expect(late.document.outcome).toBe("issued");
  });

  it.each([
    ["missing", undefined],
    ["empty", ""],
  ])("takes a %s file for a first run", async (_, content) => {
    const file = join(folder.path, "first.pem");
    await rm(file, { force: true });
    if (content !== undefined) await writeFile(file, content);
    const { code, document } = await pipeline(["-d", "shop.example.test", "--current-cert", file]);
    expect({ code, outcome: document.outcome }).toEqual({ code: 0, outcome: "issued" });
  });

  it.each([
    ["a garbled certificate", async (text: string) => text.replace(/[A-Za-z]{8}/, "########")],
    ["a key", async () => readFile(key, "utf8")],
    ["something else", async () => "<html>404</html>"],
    ["a CA's certificate", async () => issuing.ca.rootPem],
  ])("refuses %s by the file's name, and orders nothing", async (_, spoil) => {
    const file = join(folder.path, "spoilt.pem");
    await writeFile(file, await spoil(await readFile(cert, "utf8")));
    const { code, document, orders } = await pipeline([
      "-d",
      "shop.example.test",
      "--current-cert",
      file,
    ]);
    expect({ code, orders }).toEqual({ code: 2, orders: 0 });
    expect(document.problem?.detail).toContain(file);
  });

  it("refuses a key that belongs to another certificate", async () => {
    const file = join(folder.path, "other.key");
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    await writeFile(file, privateKey.export({ type: "pkcs8", format: "pem" }));
    const words = ["-d", "shop.example.test", "--current-cert", cert, "--current-key", file];
    const { code, document } = await pipeline(words);
    expect(code).toBe(2);
    expect(document.problem?.detail).toContain(`${file} is not the key of ${cert}`);
  });
});

describe("issue with an account key", () => {
  it("finds the account by the key alone, and registers only with consent", async () => {
    await using issuing = await startIssuing({ termsOfService: "https://ca.example/terms" });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    const env = { HOME: issuing.state, ACMECTL_ACCOUNT_KEY: pem };
    const words = [
      "-d",
      "shop.example.test",
      "--json",
      "--self-check-at",
      `127.0.0.1:${issuing.httpPort}`,
    ];
    const proof = ["--standalone", "--standalone-port", String(issuing.httpPort)];
    /** Without --agree-tos, which `issuing.words` end with, and with a state of its own. */
    const place = issuing.words.slice(0, -3);
    const once = async (name: string, more: readonly string[]) => {
      const state = ["--state", `${issuing.state}-${name}`];
      return run(["issue", ...words, ...proof, ...place, ...state, ...more], { env });
    };
    const unknown = await once("one", []);
    expect(unknown.code).toBe(2);
    expect(unknown.stdout).toContain("https://ca.example/terms");
    expect(issuing.ca.requests.filter(({ kind }) => kind === "newOrder")).toHaveLength(0);
    expect((await once("two", ["--agree-tos"])).code).toBe(0);
    const known = await once("three", []);
    expect({ code: known.code, stderr: known.stderr }).toMatchObject({ code: 0 });
    const accounts = issuing.ca.requests.filter(({ kind }) => kind === "newAccount");
    expect(accounts.at(-1)?.payload).toMatchObject({ onlyReturnExisting: true });
    expect(known.stdout + known.stderr).not.toContain("PRIVATE KEY");
  });

  it("is used though the state has another account", async () => {
    await using issuing = await startIssuing();
    expect((await issuing.issue(["-d", "one.example.test"])).code).toBe(0);
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const env = {
      HOME: issuing.state,
      OURS: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    };
    const words = ["-d", "two.example.test", "--account-key", "env:OURS"];
    expect((await issuing.issue(words, { env })).code).toBe(0);
    const kids = issuing.ca.requests
      .filter(({ kind }) => kind === "newOrder")
      .map(({ protected: header }) => header?.["kid"]);
    expect(new Set(kids).size).toBe(2);
  });
});
