/**
 * Every challenge type with every key type, account key type and profile, on Pebble in strict mode. To be fast, account keys
 * of 3072 and 4096 bits have one row each, and wildcards by dns-persist-01 one for each account key.
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

  test("is issued whole: a certificate of each row (one for RSA account keys over 2048 bits) has a name by each of the five challenge types, and each account key proves a wildcard by dns-persist-01", async () => {
    const { path } = folder;
    const file = await challtestSolver(path, dns);
    const config = join(path, "config.yaml");
    const address = ["127.0.0.1"];
    const solvers = {
      h: { use: "standalone", port: httpPort, address },
      t: { use: "tls-alpn", port: tlsPort, address },
      d: { use: file },
      a: { use: file, challenge: "dns-account-01" },
      p: { use: "dns-persist" },
    };
    const types = ["http-01", "tls-alpn-01", "dns-01", "dns-account-01", "dns-persist-01"];
    const selected = Object.entries(solvers).map(([name, solver]) => {
      return [name, { ...solver, select: { zones: [`${name}.example.test`] } }] as const;
    });
    await writeFile(config, JSON.stringify({ solvers: Object.fromEntries(selected) }));
    const ca = ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile];
    const acmectl = async (words: readonly string[], state: string) => {
      const ran = await run([...words, ...ca, "--config", config, "--state", join(path, state)], {
        env: { HOME: path },
        excused: { "nothing is left running": "runs of one process share the solvers' listeners" },
      });
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
      return ran;
    };
    const byDns = ["--dns-cname", "none", "--dns-wait", "0s", "--no-self-check"];
    const issue = async (names: readonly string[], row: Row, name: string) => {
      const wanted = ["--key-type", row.keyType, "--required-profile", row.profile];
      const words = ["issue", "-d", names.join(), "--name", name, "--agree-tos", "-v"];
      const { stderr } = await acmectl([...words, ...wanted, ...byDns], row.accountKey);
      const leafFile = join(path, row.accountKey, "certificates", name, "current", "cert.pem");
      const leaf = new X509Certificate(await readFile(leafFile));
      const found = leaf.subjectAltName?.split(", ").toSorted();
      expect(found).toEqual(names.map((each) => `DNS:${each}`).toSorted());
      expect(keyTypeOf(leaf.publicKey)).toBe(row.keyType);
      const seconds = (leaf.validToDate.getTime() - leaf.validFromDate.getTime()) / 1000;
      expect(Math.abs(seconds - profiles[row.profile].validityPeriod)).toBeLessThan(60);
      return stderr;
    };
    /** What an account's records of dns-persist-01 contain. */
    const records = new Map<string, string>();
    const publish = (name: string, accountKey: string) =>
      dns.tell("set-txt", {
        host: `_validation-persist.${name}.`,
        value: records.get(accountKey) ?? "",
      });
    for (const [name, generate] of Object.entries(allAccountKeys)) {
      const keyFile = join(path, `${name}.pem`);
      await writeFile(keyFile, generate().privateKey.export({ type: "pkcs8", format: "pem" }));
      const account = ["account", "register", "--agree-tos", "--account-key", `file:${keyFile}`];
      await acmectl(account, name);
      const persist = ["account", "persist", "--json", "-d", `*.${name}.p.example.test`];
      const { stdout } = await acmectl(persist, name);
      const [record] = (JSON.parse(stdout) as { records: { value: string }[] }).records;
      records.set(name, record?.value ?? "");
    }
    const limit = createLimit(6);
    const { signal } = new AbortController();
    const issueRow = async (row: Row) => {
      const name = `${row.accountKey}-${row.keyType}-${row.profile}`;
      await publish(`${name}.p.example.test`, row.accountKey);
      const names = Object.keys(solvers).map((type) => `${name}.${type}.example.test`);
      const stderr = await issue(names, row, name);
      const presented = stderr.matchAll(/presented ([\w-]+) at \S+ .*identifier=(\S+)/g);
      expect([...presented].map(([, type, shown]) => `${type} ${shown}`).toSorted()).toEqual(
        names.map((each, index) => `${types[index]} ${each}`).toSorted(),
      );
    };
    const issueWildcard = async (accountKey: string) => {
      const name = `${accountKey}.p.example.test`;
      await publish(name, accountKey);
      await issue([name, `*.${name}`], { accountKey, ...slow }, name);
    };
    await Promise.all([
      ...rows.map((row) => limit(() => issueRow(row), signal)),
      ...Object.keys(allAccountKeys).map((each) => limit(() => issueWildcard(each), signal)),
    ]);
    expect(rows).toHaveLength(32);
  });
});
