/**
 * Every challenge type with every key type, account key type and profile, on Pebble in strict mode. To be fast, account keys
 * of 3072 and 4096 bits have one row each, and so have dns-account-01 and dns-persist-01 for each account key.
 */
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { keyTypeOf } from "../../src/acme/keys.ts";
import { keyTypes, type KeyType } from "../../src/certificate.ts";
import { createLimit } from "../../src/limit.ts";
import { challtestSolver } from "../support/challtest-solver.ts";
import { run } from "../support/run.ts";
import { available } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

const profiles = {
  classic: { description: "ninety days", validityPeriod: 7_776_000 },
  shortlived: { description: "six days", validityPeriod: 518_400 },
} as const;
type Profile = keyof typeof profiles;

const accountKeys = {
  ec256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ec384: () => generateKeyPairSync("ec", { namedCurve: "P-384" }),
  rsa2048: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
};
const slowAccountKeys = {
  rsa3072: () => generateKeyPairSync("rsa", { modulusLength: 3072 }),
  rsa4096: () => generateKeyPairSync("rsa", { modulusLength: 4096 }),
};
const allAccountKeys = { ...accountKeys, ...slowAccountKeys };

interface Row {
  readonly accountKey: string;
  readonly keyType: KeyType;
  readonly profile: Profile;
}

const slow = { keyType: "ec256", profile: "classic" } as const;
const rows: readonly Row[] = [
  ...Object.keys(accountKeys).flatMap((accountKey) =>
    keyTypes.flatMap((keyType) =>
      (["classic", "shortlived"] as const).map((profile) => ({ accountKey, keyType, profile })),
    ),
  ),
  ...Object.keys(slowAccountKeys).map((accountKey) => ({ accountKey, ...slow })),
];

describe.skipIf(!available("pebble"))("the matrix on Pebble", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let httpPort: number;
  let tlsPort: number;
  beforeAll(async () => {
    folder = await temporaryFolder();
    dns = await startChallengeDns();
    [httpPort, tlsPort] = [await freePort(), await freePort()];
    pebble = await startPebble({ dnsServer: dns.dnsServer, httpPort, tlsPort, profiles });
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
    await folder?.[Symbol.asyncDispose]();
  });

  test("is issued whole: a certificate of each row (one for RSA account keys over 2048 bits) has a name by each challenge type, and each account key proves one by dns-account-01 and one by dns-persist-01", async () => {
    const { path } = folder;
    const solver = await challtestSolver(path, dns);
    const ca = ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile, "--agree-tos"];
    const acmectl = async (words: readonly string[], state: string) => {
      const ran = await run([...words, ...ca, "--state", join(path, state)], {
        env: { HOME: path },
        excused: { "nothing is left running": "runs of one process share the solvers' listeners" },
      });
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
      return ran;
    };
    for (const [name, generate] of Object.entries(allAccountKeys)) {
      const file = join(path, `${name}.pem`);
      await writeFile(file, generate().privateKey.export({ type: "pkcs8", format: "pem" }));
      await acmectl(["account", "register", "--account-key", `file:${file}`], name);
    }
    const byDns = ["--dns-cname", "none", "--dns-wait", "0s", "--no-self-check"];
    const required = ["--required-profile", "classic"];
    const solvers = [
      ...["--solver", `h.example.test=standalone,d.example.test=${solver}`],
      ...["--solver", "t.example.test=tls-alpn", ...byDns],
      ...["--standalone-port", String(httpPort), "--tls-alpn-port", String(tlsPort)],
      ...["--standalone-address", "127.0.0.1", "--tls-alpn-address", "127.0.0.1"],
    ];
    const limit = createLimit(6);
    const { signal } = new AbortController();
    const issueRow = async ({ accountKey, keyType, profile }: Row) => {
      const name = `${accountKey}-${keyType}-${profile}`;
      const names = ["h", "d", "t"].map((type) => `${name}.${type}.example.test`);
      const wanted = ["--name", name, "--key-type", keyType, "--required-profile", profile];
      await acmectl(["issue", "-d", names.join(), ...wanted, ...solvers], accountKey);
      const file = join(path, accountKey, "certificates", name, "current", "cert.pem");
      const leaf = new X509Certificate(await readFile(file));
      const found = leaf.subjectAltName?.split(", ").toSorted();
      expect(found).toEqual(names.map((each) => `DNS:${each}`).toSorted());
      expect(keyTypeOf(leaf.publicKey)).toBe(keyType);
      const seconds = (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 1000;
      expect(Math.abs(seconds - profiles[profile].validityPeriod)).toBeLessThan(60);
    };
    const issueForAccount = async (accountKey: string) => {
      const [labelled, standing] = ["a", "p"].map((type) => `${accountKey}.${type}.example.test`);
      const labels = ["--challenge", "dns-account-01", "--solver", solver];
      await acmectl(["issue", "-d", `${labelled}`, ...labels, ...required, ...byDns], accountKey);
      const persist = ["account", "persist", "--json", "-d", `*.${standing}`];
      const at = [...ca.slice(0, 4), "--state", join(path, accountKey)];
      const printed = await run([...persist, ...at], { env: { HOME: path } });
      expect(printed, printed.stderr).toMatchObject({ code: 0 });
      const { records } = JSON.parse(printed.stdout) as { records: Record<string, string>[] };
      for (const { name, value } of records) await dns.tell("set-txt", { host: `${name}.`, value });
      const names = `${standing},*.${standing}`;
      const stand = ["--challenge", "dns-persist-01", ...required, ...byDns];
      await acmectl(["issue", "-d", names, ...stand], accountKey);
    };
    await Promise.all([
      ...rows.map((row) => limit(() => issueRow(row), signal)),
      ...Object.keys(allAccountKeys).map((each) => limit(() => issueForAccount(each), signal)),
    ]);
    expect(rows).toHaveLength(32);
  });
});
