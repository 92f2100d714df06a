import acme from "acme-client";
import { createHash, createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtemp, readFile, stat, writeFile } from "node:fs/promises";
import https from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { startTestCa, type TestCa, type TestCaOptions } from "../../src/test-ca/test-ca.ts";
import { dnsServer, webServer } from "./loopback.ts";
import type { Answer } from "dns-packet";

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(options: TestCaOptions): Promise<TestCa> {
  const ca = await startTestCa(options);
  closers.push(() => ca.close());
  acme.axios.defaults.httpsAgent = new https.Agent({ ca: ca.rootPem });
  return ca;
}

async function web(host?: string) {
  const server = await webServer(undefined, host);
  closers.push(server.close);
  return server;
}

function verifies(chain: string, rootPem: string): X509Certificate {
  const [leaf, issuing, ...rest] = chain
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .filter((pem) => pem.includes("BEGIN"))
    .map((pem) => new X509Certificate(pem));
  const root = new X509Certificate(rootPem);
  if (leaf === undefined || issuing === undefined) throw new Error("the chain is too short");
  expect(rest).toEqual([]);
  expect(leaf.checkIssued(issuing) && leaf.verify(issuing.publicKey)).toBe(true);
  expect(issuing.checkIssued(root) && issuing.verify(root.publicKey)).toBe(true);
  return leaf;
}

describe("acme-client, another implementation", () => {
  const keys = {
    "P-256": () => acme.crypto.createPrivateEcdsaKey(),
    "P-384": () => acme.crypto.createPrivateEcdsaKey("P-384"),
    "RSA 2048": () => acme.crypto.createPrivateRsaKey(),
  };
  test.each(Object.entries(keys))(
    "acme-client gets a certificate by http-01 with keys of %s",
    async (_, createKey) => {
      const server = await web();
      const ca = await start({ httpPort: server.port, badNonceRate: 0.2 });
      const client = new acme.Client({
        directoryUrl: ca.directoryUrl,
        accountKey: await createKey(),
      });
      const altNames = ["shop.example.com", "www.shop.example.com"];
      const [key, csr] = await acme.crypto.createCsr({ altNames }, await createKey());
      const chain = await client.auto({
        csr,
        email: "ops@example.com",
        termsOfServiceAgreed: true,
        skipChallengeVerification: true,
        challengePriority: ["http-01"],
        async challengeCreateFn(_authorization, challenge, keyAuthorization) {
          server.answer(challenge.token, keyAuthorization);
        },
        async challengeRemoveFn() {},
      });
      const leaf = verifies(chain, ca.rootPem);
      expect(leaf.subject).toBeUndefined();
      expect(leaf.subjectAltName).toBe("DNS:shop.example.com, DNS:www.shop.example.com");
      expect(leaf.checkPrivateKey(createPrivateKey(key))).toBe(true);
      expect(leaf.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
      expect(server.hosts).toContain(`shop.example.com:${server.port}`);
      expect(server.hosts).toHaveLength(6);
    },
  );

  test("acme-client gets a certificate for a wildcard and its base name by dns-01, with both TXT values at one name", async () => {
    const records = new Map<string, Answer[]>();
    const dns = await dnsServer(records);
    closers.push(dns.close);
    const ca = await start({ resolver: dns.address });
    const client = new acme.Client({
      directoryUrl: ca.directoryUrl,
      accountKey: await acme.crypto.createPrivateEcdsaKey(),
    });
    const altNames = ["*.example.com", "example.com"];
    const [, csr] = await acme.crypto.createCsr(
      { altNames },
      await acme.crypto.createPrivateEcdsaKey(),
    );
    const chain = await client.auto({
      csr,
      termsOfServiceAgreed: true,
      skipChallengeVerification: true,
      challengePriority: ["dns-01"],
      async challengeCreateFn({ identifier }, _challenge, keyAuthorization) {
        const name = `_acme-challenge.${identifier.value}`;
        const halves = [keyAuthorization.slice(0, 20), keyAuthorization.slice(20)];
        records.set(name, [...(records.get(name) ?? []), { type: "TXT", name, data: halves }]);
      },
      async challengeRemoveFn() {},
    });
    const leaf = verifies(chain, ca.rootPem);
    expect(leaf.subjectAltName).toBe("DNS:*.example.com, DNS:example.com");
    expect(dns.questions.length).toBeGreaterThanOrEqual(6);
  });

  test("acme-client gets a certificate with an external account binding, and none without", async () => {
    const server = await web();
    const hmacKey = createHash("sha256").update("shared").digest("base64url");
    const ca = await start({ httpPort: server.port, eab: { "kid-7": hmacKey } });
    const accountKey = await acme.crypto.createPrivateEcdsaKey();
    const stranger = new acme.Client({ directoryUrl: ca.directoryUrl, accountKey });
    await expect(stranger.createAccount({ termsOfServiceAgreed: true })).rejects.toThrow(
      /external/,
    );
    const impostor = new acme.Client({
      directoryUrl: ca.directoryUrl,
      accountKey,
      externalAccountBinding: { kid: "kid-7", hmacKey: "d3Jvbmc" },
    });
    await expect(impostor.createAccount({ termsOfServiceAgreed: true })).rejects.toThrow(/MAC/);
    const client = new acme.Client({
      directoryUrl: ca.directoryUrl,
      accountKey,
      externalAccountBinding: { kid: "kid-7", hmacKey },
    });
    const account = await client.createAccount({ termsOfServiceAgreed: true });
    expect(account.externalAccountBinding).toHaveProperty("signature");
  });
});

test("keys stored in a folder are private and used again, also by two CAs that start at once", async () => {
  const folder = join(await mkdtemp(join(tmpdir(), "test-ca-")), "ca");
  const both = await Promise.all([start({ folder }), start({ folder })]);
  expect(both[0].rootPem).toBe(both[1].rootPem);
  const again = await start({ folder });
  expect(again.rootPem).toBe(both[0].rootPem);
  expect(again.alternateRootPem).toBe(both[0].alternateRootPem);
  expect(await readFile(join(folder, "root.pem"), "utf8")).toBe(again.rootPem);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder, "authority.json"))).mode & 0o777).toBe(0o600);
  const client = new acme.Client({
    directoryUrl: again.directoryUrl,
    accountKey: await acme.crypto.createPrivateEcdsaKey(),
  });
  await expect(client.createAccount({ termsOfServiceAgreed: true })).resolves.toHaveProperty(
    "status",
  );
});

test("a broken folder and a port in use are reported at the start", async () => {
  const folder = await mkdtemp(join(tmpdir(), "test-ca-"));
  await writeFile(join(folder, "authority.json"), "{}");
  await expect(startTestCa({ folder })).rejects.toThrow(/authority\.json cannot be read/);
  const ca = await start({});
  const port = Number(new URL(ca.directoryUrl).port);
  await expect(startTestCa({ port })).rejects.toMatchObject({ code: "EADDRINUSE" });
});
