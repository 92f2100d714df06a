import { createPrivateKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as x509 from "@peculiar/x509";
import { describe, expect, test } from "vitest";
import { readCsr } from "../../src/acme/certificate/csr.ts";
import { resolveServer } from "../../src/acme/presets.ts";
import { unmetDemands } from "../../src/request/demands.ts";
import { driftOf } from "../../src/request/drift.ts";
import { splitRequest } from "../../src/request/split.ts";
import { assertAhead, assertTerms, datesOf, termsOf } from "../../src/request/terms.ts";
import { Problem } from "../../src/problem.ts";
import type { HeldCertificate } from "../../src/state/store.ts";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";
import { requestFor } from "../issue/world.ts";

const day = 86_400_000;
const letsencrypt = { issuer: { server: resolveServer("letsencrypt"), agreeTos: true } };
const inConfig = {
  place: "config.yaml: certificates.shop",
  named: (option: string) => option,
  wrong: (_: string, detail: string, hint: string) => new Problem("config", { detail, hint }),
};
const now = new Date("2027-01-01T00:00:00.500Z");

describe("the dates of an order", () => {
  test("a duration ends so much after now, or after the start", () => {
    expect(datesOf({ duration: 7 * day }, now)).toEqual({ notAfter: "2027-01-08T00:00:00Z" });
    const notBefore = "2027-02-01T00:00:00Z";
    expect(datesOf({ duration: day, notBefore }, now)).toEqual({
      notBefore,
      notAfter: "2027-02-02T00:00:00Z",
    });
  });

  test("a day alone goes to the CA as its midnight in UTC", () => {
    expect(datesOf({ notAfter: "2027-02-01" }, now)).toEqual({ notAfter: "2027-02-01T00:00:00Z" });
  });

  test("dates that have passed are not asked for again by a renewal", () => {
    const passed = { notBefore: "2026-01-01T00:00:00Z", notAfter: "2026-06-01T00:00:00Z" };
    expect(datesOf(passed, now)).toEqual({});
  });

  test("an end that has passed is refused where it is typed", () => {
    expect(() => assertAhead({ notAfter: "2026-12-31T00:00:00Z" }, inConfig, now)).toThrow(
      /notAfter is 2026-12-31T00:00:00Z, which has passed/,
    );
    expect(() => assertAhead({ notAfter: "2027-12-31T00:00:00Z" }, inConfig, now)).not.toThrow();
  });

  test.each([
    [{ notAfter: "soon" }, /notAfter is "soon", which is not a date/],
    [{ notAfter: "2027" }, /notAfter is "2027", which is not a date/],
    [{ duration: day, notAfter: "2027-01-08T00:00:00Z" }, /both duration and notAfter are given/],
    [{ notAfter: "2027-02-30T00:00:00Z" }, /which is not a date/],
    [
      { notBefore: "2027-02-01T00:00:00Z", notAfter: "2027-01-01T00:00:00Z" },
      /the end 2027-01-01T00:00:00Z \(notAfter\) is not after the start/,
    ],
    [{ csr: "MIIB", mustStaple: true }, /its own key and extensions/],
  ])("the request %j is refused before the CA is asked", (more, message) => {
    const request = requestFor(["a.example.com"], more);
    expect(() => assertTerms(request, inConfig)).toThrow(message);
  });

  test.each([
    [{ duration: day }, "letsencrypt does not let clients choose the dates of a certificate."],
    [{ mustStaple: true }, "letsencrypt has no OCSP, so it refuses must-staple."],
  ])("Let's Encrypt is known to refuse %j", (more, message) => {
    const facts = { isRegistered: true, hasBinding: false };
    const request = requestFor(["a.example.com"], { ...letsencrypt, ...more });
    expect(unmetDemands(request, facts).map((problem) => problem.message)).toEqual([message]);
  });

  test("a certificate is issued anew when its terms change", () => {
    const request = requestFor(["a.example.com"], { duration: day });
    const meta = {
      identifiers: request.identifiers,
      keyType: "ec256",
      directory: request.issuer.server,
      terms: termsOf(request),
    };
    const held = { version: 1, meta } as HeldCertificate;
    expect(driftOf(request, held)).toBeUndefined();
    const changed = driftOf({ ...request, duration: 2 * day, mustStaple: true }, held);
    expect(changed).toBe("terms changed from 1d to 2d, must-staple");
  });
});

describe("more names than one certificate can have", () => {
  const names = Array.from({ length: 60 }, (_, index) => `h${index}.example.com`);
  const request = requestFor(names, { ...letsencrypt, name: "hosts", profile: "shortlived" });

  test("more names than the CA allows are refused, and the hint names --split", () => {
    expect(splitRequest(request, false)).toEqual([request]);
    const facts = { isRegistered: true, hasBinding: false };
    expect(unmetDemands(request, facts)[0]?.hint).toContain("Add --split");
    expect(splitRequest({ ...request, profile: undefined }, true)).toHaveLength(1);
  });

  test("with --split they become several certificates in the order given", () => {
    const parts = splitRequest(request, true);
    expect(parts.map(({ name, identifiers }) => [name, identifiers.length])).toEqual([
      ["hosts", 25],
      ["hosts-2", 25],
      ["hosts-3", 10],
    ]);
    expect(parts.flatMap(({ identifiers }) => identifiers)).toEqual(request.identifiers);
    expect(() => splitRequest({ ...request, outputs: { key: "/srv/key" } }, true)).toThrow(
      /the same files/,
    );
  });
});

test("issue takes a lifetime, must-staple and a key of the user's, and keeps them for renewals", async () => {
  await using issuing = await startIssuing({ dates: true });
  const file = join(issuing.state, "..", "own.pem");
  const newKey = async () => {
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    await writeFile(file, privateKey.export({ type: "pkcs8", format: "pem" }));
  };
  await newKey();
  const words = ["-d", "intranet", "--duration", "7d", "--must-staple", "--private-key", file];
  const ran = await issuing.issue(words);
  expect(ran.code, ran.stderr).toBe(0);
  const live = join(issuing.state, "certificates", "intranet", "current");
  const read = async (name: string) => readFile(join(live, name), "utf8");
  const check = async () => {
    const leaf = new X509Certificate(await read("cert.pem"));
    expect(leaf.checkPrivateKey(createPrivateKey(await readFile(file, "utf8")))).toBe(true);
    expect(Date.parse(leaf.validTo) - Date.now()).toBeLessThanOrEqual(7 * day);
    expect(Date.parse(leaf.validTo) - Date.now()).toBeGreaterThan(6.9 * day);
    expect(JSON.parse(await read("meta.json"))).toMatchObject({ keyType: "rsa2048" });
    const last = issuing.ca.requests.findLast(({ kind }) => kind === "finalize");
    const { csr } = (last?.payload ?? {}) as { csr: string };
    const { der } = readCsr(Buffer.from(csr, "base64url"));
    const request = new x509.Pkcs10CertificateRequest(Uint8Array.from(der));
    const feature = request.getExtension("1.3.6.1.5.5.7.1.24");
    expect(Buffer.from(feature?.value ?? new ArrayBuffer(0)).toString("hex")).toBe("3003020105");
  };
  await check();
  expect(ran.stderr).toContain("the CA left out must-staple, which was asked for");
  expect((await issuing.issue(words)).stdout).toContain("nothing was done");
  await newKey();
  expect((await issuing.run(["renew", "--force"])).code).toBe(0);
  await check();

  const other = await issuing.issue([...words, "--key-type", "ec256"]);
  expect([other.code, other.stderr.replaceAll(/\s+/g, " ")]).toEqual([
    2,
    expect.stringContaining("is rsa2048, and the key type ec256 was asked for."),
  ]);
});

test.each([
  [["--not-after", "soon"], '--not-after is "soon", which is not a date.'],
  [
    ["--duration", "7d", "--not-after", "2099-01-01T00:00:00Z"],
    "both --duration and --not-after are given.",
  ],
  [["--key-type", "ec256", "--key-types", "ec256"], "both --key-type and --key-types are given."],
  [["--key-types", "ec256,ec384"], "--key-types: ec256, ec384 are not one EC and one RSA type."],
])("the contradiction of %j is named as it was typed", async (words, message) => {
  await using folder = await temporaryFolder();
  const typed = ["issue", "-d", "a.test", "--server", "local", ...words];
  const { code, stderr } = await run(typed, { env: { HOME: folder.path } });
  expect([code, stderr.replaceAll(/\s+/g, " ")]).toEqual([
    2,
    expect.stringContaining(`a.test: ${message}`),
  ]);
});

test.each([
  ["ec256,rsa2048", "--key-types asks for two keys, and --private-key has one."],
  ["rsa2048", "own.pem is ec256, and the key type rsa2048 was asked for. Hint: Leave --key-types"],
])("a key of the user's contradicts --key-types %s", async (types, message) => {
  await using folder = await temporaryFolder();
  const own = join(folder.path, "own.pem");
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  await writeFile(own, privateKey.export({ type: "pkcs8", format: "pem" }));
  const typed = ["issue", "-d", "a.test", "--server", "local", "--private-key", own];
  const { code, stderr } = await run([...typed, "--key-types", types], {
    env: { HOME: folder.path },
  });
  expect([code, stderr.replaceAll(/\s+/g, " ")]).toEqual([2, expect.stringContaining(message)]);
});

test("a contradiction of what was typed with the config's defaults names both", async () => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.yaml");
  await writeFile(config, "defaults: { duration: 7d }\n");
  const typed = ["--not-after", "2099-01-01T00:00:00Z", "--config", config];
  const env = { HOME: folder.path };
  const { stderr } = await run(["issue", "-d", "a.test", "--server", "local", ...typed], { env });
  expect(stderr.replaceAll(/\s+/g, " ")).toContain(
    `both ${config}: defaults.duration and --not-after are given.`,
  );
});

test("a part of a split request never takes the place of another certificate", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", "keep.test", "--name", "shop-2"])).code).toBe(0);
  const before = issuing.ca.requests.length;
  const names = Array.from({ length: 101 }, (_, index) => `h${index}.test`).join(",");
  const ran = await issuing.issue(["-d", names, "--name", "shop", "--split"]);
  expect(ran.code).toBe(2);
  expect(ran.stderr).toContain("which the certificate for keep.test has");
  expect(issuing.ca.requests).toHaveLength(before);
  const split = ["-d", names, "--split", "--server", "local", "--state", issuing.state];
  const checked = JSON.parse((await issuing.run(["check", ...split, "--json"])).stdout);
  expect(checked.certificates.map((one: { name: string }) => one.name)).toEqual([
    "h0.test",
    "h0.test-2",
  ]);
});

test.each([
  ["3:38", "keyTypes: [ec256, ec384]", "certificates.a: keyTypes: ec256, ec384 are not one EC"],
  [
    "3:38",
    "notAfter: 2027-02-30",
    'certificates.a: notAfter is "2027-02-30", which is not a date.',
  ],
  ["3:38", "notBefore: 2027-01-31T10:00:00", 'certificates.a: notBefore is "2027-01-31T10:00:00"'],
  ["3:47", 'freeze: [{ start: "0 25 * * *", duration: 1m }]', 'certificates.a.freeze: "0 25 * *'],
  ["2:13", "labels: {}", "certificates.a: keyTypes: rsa2048, rsa3072 are not"],
])("a mistake in the config is shown with its place, %s: %s", async (at, text, message) => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.yaml");
  const plan = async () => {
    const lines = [
      "issuers: { lab: { server: local } }",
      `defaults: { keyTypes: [${at.startsWith("2") ? "rsa2048, rsa3072" : "ec256"}] }`,
      `certificates: { a: { domains: [a.x], ${text} } }`,
    ];
    await writeFile(config, lines.join("\n"));
    const env = { HOME: folder.path, ACMECTL_STATE: join(folder.path, "state") };
    const { code, stderr } = await run(["plan", "--config", config], { env });
    return { code, stderr: stderr.replaceAll(/\s+/g, " ") };
  };
  const { code, stderr } = await plan();
  expect(code).toBe(2);
  expect(stderr).toContain(`Wrong configuration: ${config}:${at}: ${message}`);
  expect(stderr).not.toContain("***");
});

test("a limit in the config that is not one is shown with its place", async () => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.yaml");
  await writeFile(
    config,
    `issuers: { lab: { server: local, limits: { ordersPerAccount: many } } }
certificates: { a: { domains: [a.x] } }
`,
  );
  const env = { HOME: folder.path, ACMECTL_STATE: join(folder.path, "state") };
  const { stderr } = await run(["plan", "--config", config], { env });
  expect(stderr.replaceAll(/\s+/g, " ")).toContain(
    `Wrong configuration: ${config}:1:44: issuers.lab.limits.ordersPerAccount: "many" is not`,
  );
});
