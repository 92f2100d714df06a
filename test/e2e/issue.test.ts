import { readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../support/run.ts";
import { available } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble, type PebbleSettings } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { openssl, temporaryFolder } from "../support/state.ts";

interface Issued {
  outcome: string;
  certificates: {
    serial: string;
    notAfter: string;
    notBefore: string;
    issuer: string;
    identifiers: { type: string; value: string }[];
    paths: { privateKey: string; certificate: string; chain: string; fullchain: string };
  }[];
}

async function issue(
  state: string,
  words: readonly string[],
  target: { pebble: Pebble; httpPort: number },
) {
  const common = [
    "--server",
    target.pebble.directoryUrl,
    "--ca-bundle",
    target.pebble.rootFile,
    "--state",
    state,
  ];
  const place = [
    "--self-check-at",
    `127.0.0.1:${target.httpPort}`,
    "--agree-tos",
    "--profile",
    "classic",
    "--json",
  ];
  const ran = await run(["issue", ...words, ...common, ...place], { env: { HOME: state } });
  return { ...ran, document: JSON.parse(ran.stdout || "{}") as Issued };
}

describe.skipIf(!available("pebble"))("issue against Pebble, which validates for real", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  let httpPort: number;
  const start = async (settings: PebbleSettings = {}) => {
    httpPort = await freePort();
    pebble = await startPebble({
      dnsServer: dns.dnsServer,
      httpPort,
      profiles: { classic: { description: "The usual", validityPeriod: 7_776_000 } },
      ...settings,
    });
  };
  beforeAll(async () => {
    dns = await startChallengeDns();
    await start();
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
  });

  const standalone = (port: number) => [
    "--solver",
    "standalone",
    "--standalone-port",
    String(port),
  ];

  /** What openssl sees must be what acmectl reports, and the chain must lead to Pebble's root. */
  const expectOpensslAgrees = async (state: string, { certificates }: Issued, target: Pebble) => {
    const [certificate] = certificates;
    if (certificate === undefined) throw new Error("no certificate was reported");
    const { paths } = certificate;
    const roots = join(state, "roots.pem");
    await writeFile(roots, (await target.issuingRoots()).join("\n"));
    expect(
      await openssl("verify", "-CAfile", roots, "-untrusted", paths.chain, paths.certificate),
    ).toContain("OK");
    const shown = await openssl(
      "x509",
      "-in",
      paths.certificate,
      "-noout",
      "-serial",
      "-enddate",
      "-ext",
      "subjectAltName",
    );
    // Ours has the 00 that keeps the DER integer positive (RFC 9773 §4.1 wants it); openssl leaves it out.
    const serial = certificate.serial.replace(/^00(?=[89a-f])/i, "");
    expect(shown.toLowerCase()).toContain(`serial=${serial.toLowerCase()}\n`);
    for (const { value } of certificate.identifiers) expect(shown).toContain(value);
    const ends = /notAfter=(.*)/.exec(shown)?.[1] ?? "";
    expect(new Date(ends).getTime()).toBe(new Date(certificate.notAfter).getTime());
    const [fromKey, fromLeaf] = await Promise.all([
      openssl("pkey", "-in", paths.privateKey, "-pubout"),
      openssl("x509", "-in", paths.certificate, "-pubkey", "-noout"),
    ]);
    expect(fromKey).toBe(fromLeaf);
  };

  test.each(["ec256", "ec384", "rsa2048", "rsa3072"])(
    "gets an %s certificate by standalone",
    async (keyType) => {
      await using folder = await temporaryFolder();
      const target = { pebble, httpPort };
      const words = [
        "-d",
        "www.example.test,api.example.test",
        "--key-type",
        keyType,
        ...standalone(httpPort),
      ];
      const { code, stderr, document } = await issue(folder.path, words, target);
      expect(stderr).not.toContain("Hint");
      expect(code).toBe(0);
      expect(document.outcome).toBe("issued");
      await expectOpensslAgrees(folder.path, document, pebble);
    },
  );

  test("does nothing the second time, and issues again with the same account after a change or with --force", async () => {
    await using folder = await temporaryFolder();
    const target = { pebble, httpPort };
    const first = await issue(
      folder.path,
      ["-d", "again.example.test", ...standalone(httpPort)],
      target,
    );
    const second = await issue(
      folder.path,
      ["-d", "again.example.test", ...standalone(httpPort)],
      target,
    );
    expect([first.code, second.code]).toEqual([0, 0]);
    expect(second.document.outcome).toBe("unchanged");
    expect(second.document.certificates[0]?.serial).toBe(first.document.certificates[0]?.serial);
    const forced = await issue(
      folder.path,
      ["-d", "again.example.test", "--force", ...standalone(httpPort)],
      target,
    );
    expect(forced.document.outcome).toBe("issued");
    const grown = await issue(
      folder.path,
      ["-d", "again.example.test,more.example.test", ...standalone(httpPort)],
      target,
    );
    expect(grown.document.outcome).toBe("issued");
    expect(grown.document.certificates[0]?.identifiers).toHaveLength(2);
    const accounts = await run(["account", "list", "--json", "--state", folder.path], {
      env: { HOME: folder.path },
    });
    expect(JSON.parse(accounts.stdout)).toHaveProperty("accounts.length", 1);
  });

  test("issues one certificate for 100 names by standalone", async () => {
    await using folder = await temporaryFolder();
    const names = Array.from({ length: 100 }, (_, index) => `n${index}.example.test`);
    const { code, stderr, document } = await issue(
      folder.path,
      ["-d", names.join(","), ...standalone(httpPort)],
      { pebble, httpPort },
    );
    expect(stderr).not.toContain("Hint");
    expect(code).toBe(0);
    expect(document.certificates[0]?.identifiers).toHaveLength(100);
    await expectOpensslAgrees(folder.path, document, pebble);
  });

  describe("by webroot", () => {
    let web: Server;
    let root: AsyncDisposable & { path: string };
    beforeAll(async () => {
      root = await temporaryFolder();
      web = createServer((request, response) => {
        readFile(join(root.path, new URL(request.url ?? "/", "http://x").pathname)).then(
          (body) => response.end(body),
          () => response.writeHead(404).end(),
        );
      });
      await new Promise<void>((resolve) => web.listen(httpPort, "127.0.0.1", resolve));
    });
    afterAll(async () => {
      await new Promise((resolve) => web.close(resolve));
      await root[Symbol.asyncDispose]();
    });

    test.each([1, 100])("issues for %i names and leaves no file in the webroot", async (count) => {
      await using folder = await temporaryFolder();
      const names = Array.from({ length: count }, (_, index) => `w${index}.example.test`);
      const words = ["-d", names.join(","), "--webroot", root.path];
      const { code, stderr, document } = await issue(folder.path, words, { pebble, httpPort });
      expect(stderr).not.toContain("Hint");
      expect(code).toBe(0);
      await expectOpensslAgrees(folder.path, document, pebble);
      await expect(readFile(join(root.path, ".well-known"))).rejects.toMatchObject({
        code: "ENOENT",
      });
    });
  });

  test("issues 10 names when the CA rejects every second nonce", async () => {
    await using folder = await temporaryFolder();
    const port = await freePort();
    const picky = await startPebble({
      dnsServer: dns.dnsServer,
      httpPort: port,
      profiles: { classic: { description: "The usual", validityPeriod: 7_776_000 } },
      env: { PEBBLE_WFE_NONCEREJECT: "50" },
    });
    try {
      const names = Array.from({ length: 10 }, (_, index) => `nonce${index}.example.test`);
      const { code, stderr } = await issue(
        folder.path,
        ["-d", names.join(","), ...standalone(port)],
        {
          pebble: picky,
          httpPort: port,
        },
      );
      expect(stderr).not.toContain("Hint");
      expect(code).toBe(0);
    } finally {
      await picky.close();
    }
  });

  test("prints what the CA saw when validation fails, and stores nothing", async () => {
    await using folder = await temporaryFolder();
    const elsewhere = await freePort();
    const { code, stderr, document } = await issue(
      folder.path,
      ["-d", "dead.example.test", ...standalone(elsewhere), "--no-self-check"],
      { pebble, httpPort },
    );
    expect(code).toBe(7);
    expect(stderr).toContain("dead.example.test");
    expect(document).toHaveProperty("problem.subproblems");
    await expect(
      readFile(join(folder.path, "certificates/dead.example.test/current/cert.pem")),
    ).rejects.toThrow();
    await rm(folder.path, { recursive: true });
  });
});
