import { runHint } from "../support/shell.ts";
import { writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { createCsr } from "../../src/acme/certificate/new-csr.ts";
import { createPrivateKey } from "../../src/acme/keys.ts";
import { signerOf } from "../../src/acme/signer.ts";
import { composeRequest } from "../../src/request/compose.ts";
import { composeConfigured } from "../../src/request/configured.ts";
import type { Config, ConfiguredCertificate } from "../../src/config/config.ts";
import { requestFlags } from "../../src/options/declared/request.ts";
import { resolveOptions } from "../../src/options/resolve.ts";
import { openssl, temporaryFolder } from "../support/state.ts";
import { problemOf } from "../issue/world.ts";
import { contextOf } from "../support/context.ts";

const config: Config = {
  path: "/etc/acmectl/config.yaml",
  exists: true,
  issuers: {
    le: { server: "letsencrypt", email: "ops@example.com", agreeTos: true },
    lab: { server: "https://ca.lab.example/directory", caBundle: "/etc/lab.pem" },
  },
  solvers: { web: { use: "standalone", options: {} } },
  certificates: {},
  defaults: { issuer: "le", keyType: "ec384", pre: [{ run: "echo config" }] },
  dns: { timeout: 60_000, interval: 1_000 },
  notify: {},
  pull: {},
  state: {},
};

async function compose(flags: Record<string, unknown>, from: Config = config) {
  const { values } = await resolveOptions(requestFlags, {
    flags,
    env: {},
    cwd: "/home/ops",
    mask: () => undefined,
  });
  return composeRequest(values, from, contextOf());
}

test("a certificate of the config with two files at one path is refused, a key store too", async () => {
  const pkcs12 = { path: "/srv/x", password: "env:PASSWORD" };
  const wrong = [
    { files: { key: "/srv/x", cert: "/srv/x" } },
    { files: { key: "/srv/x" }, deploy: [{ pkcs12 }] },
    { deploy: [{ copy: { combined: "/srv/x" } }, { copy: { fullchain: "/srv/x" } }] },
    { deploy: [{ pkcs12 }, { pkcs12: { ...pkcs12, alias: "other" } }] },
  ] satisfies Partial<ConfiguredCertificate>[];
  for (const wanted of wrong) {
    const certificates = {
      shop: { domains: ["example.com"], labels: {}, dns: {}, files: {}, ...wanted },
    };
    const problem = await problemOf(composeConfigured({ ...config, certificates }));
    expect([problem.exitCode, problem.message]).toEqual([
      2,
      expect.stringMatching(/certificates\.shop: .* would both be written to \/srv\/x\.$/),
    ]);
  }
  const fine = {
    files: { key: "/srv/x" },
    deploy: [{ copy: { key: "/srv/x" } }, { pkcs12: { ...pkcs12, path: "/srv/y" } }],
  };
  const certificates = { shop: { domains: ["example.com"], labels: {}, dns: {}, ...fine } };
  await expect(composeConfigured({ ...config, certificates })).resolves.toMatchObject({
    requests: [{}],
  });
});

test("--dns-resolvers takes nothing but resolvers", async () => {
  const flags = { domains: ["a.example"], dnsResolvers: ["192.0.2.1", "foo"] };
  const problem = await problemOf(compose(flags));
  expect(problem?.message).toBe('--dns-resolvers: "foo" is not a DNS resolver.');
  expect(problem?.exitCode).toBe(2);
});

describe("a request from the command line", () => {
  test.each([
    ["fullchainFile", "--fullchain-file"],
    ["keyFile", "--key-file"],
    ["certFile", "--cert-file"],
    ["chainFile", "--chain-file"],
  ])("with %s in a missing folder is refused before an order", async (option, flag) => {
    const flags = { domains: ["example.com"], [option]: "/nowhere/tls/x.pem" };
    const problem = await problemOf(compose(flags));
    expect(problem.message).toBe(`${flag}: the folder /nowhere/tls does not exist.`);
    expect(problem.hint).toBe("Create it: mkdir -p /nowhere/tls");
    expect(problem.exitCode).toBe(2);
    await using folder = await temporaryFolder();
    const inside = { ...flags, [option]: join(folder.path, "a/tls/x.pem") };
    runHint((await problemOf(compose(inside))).hint);
    await expect(compose(inside)).resolves.toBeDefined();
    await expect(compose({ ...flags, preHook: ["mkdir -p /nowhere/tls"] })).resolves.toBeDefined();
  });

  test.each([
    ["/tmp", "is a directory"],
    ["/dev/null", "is not a regular file"],
  ])("with a copy to %s is refused, since that %s", async (keyFile, why) => {
    const problem = await problemOf(compose({ domains: ["example.com"], keyFile }));
    expect([problem.exitCode, problem.message]).toEqual([
      2,
      `--key-file: ${keyFile} ${why}, so acmectl does not replace it.`,
    ]);
  });

  test("with two copies to one path is refused", async () => {
    const flags = { domains: ["example.com"], keyFile: "/tmp/x.pem" };
    const problem = await problemOf(compose({ ...flags, fullchainFile: "/tmp/./x.pem" }));
    expect([problem.exitCode, problem.message]).toEqual([
      2,
      "example.com: fullchain and key would both be written to /tmp/x.pem.",
    ]);
    await expect(compose({ ...flags, fullchainFile: "/tmp/y.pem" })).resolves.toBeDefined();
  });

  test.each([
    ["/etc/passwd/x.pem", "is not a directory"],
    ["/etc/passwd/tls/x.pem", "cannot be used: a part of the path is a file, not a directory"],
  ])("with the file %s is refused without a command to create its folder", async (path, why) => {
    const problem = await problemOf(compose({ domains: ["example.com"], keyFile: path }));
    expect(problem.message).toBe(`--key-file: the folder ${dirname(path)} ${why}.`);
    expect(problem.hint).not.toContain("mkdir");
  });

  test("the default issuers are those of a request, unless --server chooses a CA", async () => {
    const { issuer: _, ...defaults } = config.defaults;
    const from = { ...config, defaults: { ...defaults, issuers: ["lab", "le"] } };
    const request = await compose({ domains: ["example.com"] }, from);
    expect(request.issuer.server).toBe("https://ca.lab.example/directory");
    expect(request.issuers?.map(({ server }) => new URL(server).host)).toEqual([
      "ca.lab.example",
      "acme-v02.api.letsencrypt.org",
    ]);
    const chosen = await compose({ domains: ["example.com"], server: "le" }, from);
    expect(chosen.issuers).toBeUndefined();
  });

  test("a flag of issue overrides the config's default", async () => {
    const request = await compose({ domains: ["WWW.Example.com", "example.com"] });
    expect(request).toMatchObject({
      name: "www.example.com",
      identifiers: [
        { type: "dns", value: "www.example.com" },
        { type: "dns", value: "example.com" },
      ],
      keyType: "ec384",
      issuer: {
        server: "https://acme-v02.api.letsencrypt.org/directory",
        email: "ops@example.com",
        agreeTos: true,
      },
      solvers: [{ name: "web" }],
      dns: { timeout: 60_000, interval: 1_000 },
      selfCheck: true,
      hooks: { pre: [{ run: "echo config" }] },
    });
    const flags = {
      domains: ["example.com"],
      name: "shop",
      keyType: "rsa2048",
      server: "lab",
      dnsTimeout: "5m",
      dnsAuthoritative: false,
      selfCheck: false,
      preHook: ["echo flag"],
      profile: "tlsserver",
      requiredProfile: "shortlived",
    };
    expect(await compose(flags)).toMatchObject({
      name: "shop",
      keyType: "rsa2048",
      issuer: {
        server: "https://ca.lab.example/directory",
        caBundle: "/etc/lab.pem",
        agreeTos: false,
      },
      dns: { timeout: 300_000, interval: 1_000, authoritative: false },
      selfCheck: false,
      hooks: { pre: [{ run: "echo flag", shell: true, cwd: "/home/ops" }] },
      profile: "shortlived",
      profileRequired: true,
    });
  });

  test("a request takes its names from a CSR, and -d must name the same", async () => {
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const identifiers = ["a.example.com", "b.example.com"].map(
      (value) => ({ type: "dns", value }) as const,
    );
    const der = Buffer.from(
      await createCsr(signerOf(await createPrivateKey("ec256")), identifiers),
    );
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64").replaceAll(/.{64}/g, "$&\n")}\n-----END CERTIFICATE REQUEST-----\n`;
    for (const [file, content] of [
      ["csr.der", der],
      ["csr.pem", pem],
    ] as const) {
      const csr = join(folder.path, file);
      await writeFile(csr, content);
      const request = await compose({ csr });
      expect(request).toMatchObject({ identifiers, csr: der.toString("base64") });
      expect(await compose({ csr, domains: ["b.example.com", "a.example.com"] })).toEqual(request);
      const problem = await problemOf(compose({ csr, domains: ["a.example.com"] }));
      expect(problem.message).toBe(
        "The signing request of --csr is for a.example.com, b.example.com, but --domains names a.example.com.",
      );
    }
    const forged = join(folder.path, "forged.der");
    await writeFile(forged, Buffer.from(der.toString("latin1").replace("a.ex", "x.ex"), "latin1"));
    const unsigned = await problemOf(compose({ csr: forged }));
    expect(unsigned.exitCode).toBe(2);
    expect(unsigned.message).toContain("forged.der is not signed by its own key");
    const missing = await problemOf(compose({ csr: join(folder.path, "none.pem") }));
    expect(missing.exitCode).toBe(2);
    expect(missing.message).toContain("none.pem");
  });

  test.each([
    ["an issuer without a staging environment", { server: "lab", staging: true }, "--staging"],
    ["a place that is not one", { selfCheckAt: "example.com" }, "--self-check-at"],
    ["a contact that is not an address", { email: "nobody" }, "nobody"],
  ])("%s is rejected by the name of its option", async (_, flags, named) => {
    const problem = await problemOf(compose({ domains: ["example.com"], ...flags }));
    expect(problem.exitCode).toBe(2);
    expect(problem.message).toContain(named);
  });

  test("internal names are accepted unless a public CA issues", async () => {
    const { identifiers } = await compose({ domains: ["nas", "*.lan"], server: "lab" });
    expect(identifiers.map(({ value }) => value)).toEqual(["nas", "*.lan"]);
    const problem = await problemOf(compose({ domains: ["nas"], server: "letsencrypt" }));
    expect([problem.exitCode, problem.message]).toEqual([
      2,
      expect.stringContaining("single label, which a public CA cannot validate"),
    ]);
  });

  test("a CSR may have any key unless a public CA issues", async () => {
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const [key, csr] = [join(folder.path, "key.pem"), join(folder.path, "csr.pem")];
    const made = ["-newkey", "ed25519", "-nodes", "-keyout", key, "-out", csr];
    await openssl("req", "-new", ...made, "-subj", "/CN=shop.example.com");
    expect((await compose({ csr, server: "lab" })).identifiers).toHaveLength(1);
    const problem = await problemOf(compose({ csr, server: "letsencrypt" }));
    expect([problem.exitCode, problem.message]).toEqual([
      2,
      "The key of the CSR has a type or size that CAs do not accept.",
    ]);
  });

  test("an email address may begin with mailto:", async () => {
    const { issuer } = await compose({
      domains: ["example.com"],
      email: " mailto:ops@example.com",
    });
    expect(issuer.email).toBe("ops@example.com");
  });

  test("--staging chooses the staging environment of the issuer's CA", async () => {
    const { issuer } = await compose({ domains: ["example.com"], staging: true });
    expect(issuer.server).toBe("https://acme-staging-v02.api.letsencrypt.org/directory");
  });
});

describe("a request from the config", () => {
  const wanted: ConfiguredCertificate = {
    domains: ["Shop.example.com"],
    labels: { team: "shop" },
    files: {},
    dns: {},
  };

  test("a certificate of the config is named by its key, and uses all solvers unless it names some", async () => {
    const {
      requests: [request],
    } = await composeConfigured({
      ...config,
      certificates: { shop: { ...wanted, issuer: "lab" } },
    });
    expect(request).toMatchObject({
      name: "shop",
      fromConfig: true,
      identifiers: [{ type: "dns", value: "shop.example.com" }],
      keyType: "ec256",
      issuer: { server: "https://ca.lab.example/directory" },
      labels: { team: "shop" },
      solvers: [{ name: "web", from: config.path }],
    });
  });

  test("a part of a split certificate with the name of another one is refused", async () => {
    const domains = Array.from({ length: 101 }, (_, index) => `h${index}.example.com`);
    const certificates = { shop: { ...wanted, domains, split: true }, "shop-2": wanted };
    const problem = await problemOf(composeConfigured({ ...config, certificates }));
    expect([problem.exitCode, problem.message]).toEqual([
      2,
      expect.stringContaining("gets the name shop-2, and another certificate has it"),
    ]);
  });

  test("a wrong name in the config is reported with its place in the file", async () => {
    const certificates = { shop: { ...wanted, domains: ["shop example.com"] } };
    const problem = await problemOf(composeConfigured({ ...config, certificates }));
    expect(problem.exitCode).toBe(2);
    expect(problem.message).toContain("/etc/acmectl/config.yaml: certificates.shop.domains: ");
  });
});
