import { readFile, writeFile } from "node:fs/promises";
import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../support/run.ts";
import { available } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { openssl, temporaryFolder } from "../support/state.ts";

const hmac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
const profiles = {
  classic: { description: "The usual", validityPeriod: 7_776_000 },
  shortlived: { description: "Six days", validityPeriod: 518_400 },
};

async function leafOf(path: string | undefined): Promise<X509Certificate> {
  return new X509Certificate(await readFile(path ?? ""));
}

describe.skipIf(!available("pebble"))("options of a request against Pebble", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  let port: number;
  beforeAll(async () => {
    dns = await startChallengeDns();
    port = await freePort();
    pebble = await startPebble({
      dnsServer: dns.dnsServer,
      httpPort: port,
      profiles,
      eab: { kid1: hmac },
      env: { PEBBLE_ALTERNATE_ROOTS: "2", PEBBLE_CHAIN_LENGTH: "2" },
    });
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
  });

  const issue = async (
    state: string,
    words: readonly string[],
    env: Record<string, string> = { EAB: hmac },
  ) => {
    const account = ["--agree-tos", "--eab-kid", "kid1", "--eab-hmac", "env:EAB"];
    const solver = [
      "--solver",
      "standalone",
      "--standalone-port",
      String(port),
      "--self-check-at",
      `127.0.0.1:${port}`,
    ];
    const where = [
      "--server",
      pebble.directoryUrl,
      "--ca-bundle",
      pebble.rootFile,
      "--state",
      state,
      "--json",
    ];
    const profile = words.includes("--profile") ? [] : ["--profile", "classic"];
    const ran = await run(["issue", ...words, ...account, ...solver, ...where, ...profile], {
      env: { HOME: state, ...env },
    });
    const [certificate] =
      (
        JSON.parse(ran.stdout) as {
          certificates?: {
            paths: { fullchain: string; certificate: string; chain: string; privateKey?: string };
          }[];
        }
      ).certificates ?? [];
    return { ...ran, certificate };
  };

  test("asks for an external account binding before it creates an account, and never prints the HMAC key", async () => {
    await using folder = await temporaryFolder();
    const bare = await run(
      [
        "issue",
        "-d",
        "a.example.test",
        "--agree-tos",
        "--solver",
        "standalone",
        "--standalone-port",
        String(port),
        "--server",
        pebble.directoryUrl,
        "--ca-bundle",
        pebble.rootFile,
        "--state",
        folder.path,
      ],
      { env: { HOME: folder.path } },
    );
    expect(bare.code).toBe(2);
    expect(bare.stderr).toContain("--eab-kid");
    const bound = await issue(folder.path, ["-d", "a.example.test", "-v"]);
    expect(bound.code).toBe(0);
    expect(bound.stderr + bound.stdout).not.toContain(hmac);
  });

  test("uses a profile that the CA offers, and lists the offered ones for another", async () => {
    await using folder = await temporaryFolder();
    const short = await issue(folder.path, ["-d", "s.example.test", "--profile", "shortlived"]);
    expect(short.code).toBe(0);
    const leaf = await leafOf(short.certificate?.paths.certificate);
    const days = (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 86_400_000;
    expect(days).toBeLessThan(7);
    const unknown = await issue(folder.path, ["-d", "u.example.test", "--profile", "longlived"]);
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("shortlived (Six days)");
  });

  test("issues for an IP address by http-01, with an iPAddress SAN", async () => {
    await using folder = await temporaryFolder();
    const ran = await issue(folder.path, ["-d", "127.0.0.1"]);
    expect(ran.stderr).not.toContain("Hint");
    expect(ran.code).toBe(0);
    expect((await leafOf(ran.certificate?.paths.certificate)).subjectAltName).toBe(
      "IP Address:127.0.0.1",
    );
  });

  test("chooses the chain by its root, and falls back to the default chain with a warning", async () => {
    await using folder = await temporaryFolder();
    const roots = await pebble.issuingRoots();
    const second = new X509Certificate(roots[1] ?? "");
    const common = /CN=(.*)/.exec(second.subject)?.[1] ?? "";
    const chosen = await issue(folder.path, ["-d", "c.example.test", "--preferred-chain", common]);
    expect(chosen.code).toBe(0);
    const file = join(folder.path, "root.pem");
    await writeFile(file, roots[1] ?? "");
    const { chain = "", certificate = "" } = chosen.certificate?.paths ?? {};
    expect(await openssl("verify", "-CAfile", file, "-untrusted", chain, certificate)).toContain(
      "OK",
    );
    const fallen = await issue(folder.path, [
      "-d",
      "f.example.test",
      "--preferred-chain",
      "No Such Root",
    ]);
    expect(fallen.code).toBe(0);
    expect(fallen.stderr).toContain("No Such Root");
  });

  test("issues from a CSR without a private key in the state", async () => {
    await using folder = await temporaryFolder();
    const [key, csr] = [join(folder.path, "my.key"), join(folder.path, "my.csr")];
    await openssl(
      "req",
      "-new",
      "-newkey",
      "rsa:2048",
      "-nodes",
      "-keyout",
      key,
      "-out",
      csr,
      "-subj",
      "/",
      "-addext",
      "subjectAltName=DNS:csr.example.test",
    );
    const ran = await issue(folder.path, ["--csr", csr]);
    expect(ran.stderr).not.toContain("Hint");
    expect(ran.code).toBe(0);
    expect(ran.certificate?.paths.privateKey).toBeUndefined();
    const leaf = await leafOf(ran.certificate?.paths.certificate);
    expect(leaf.publicKey.export({ type: "spki", format: "pem" })).toBe(
      await openssl("pkey", "-in", key, "-pubout"),
    );
  });

  test("renews with the same key under --reuse-key, and with a new key otherwise", async () => {
    await using folder = await temporaryFolder();
    const keys: string[] = [];
    for (const words of [["--reuse-key"], ["--reuse-key", "--force"], ["--force"]]) {
      const ran = await issue(folder.path, ["-d", "k.example.test", ...words]);
      keys.push(await readFile(ran.certificate?.paths.privateKey ?? "", "utf8"));
    }
    expect(keys[1]).toBe(keys[0]);
    expect(keys[2]).not.toBe(keys[0]);
  });
});
