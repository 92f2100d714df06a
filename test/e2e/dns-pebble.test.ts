import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../support/run.ts";
import { startBind } from "../support/servers/bind.ts";
import type { Bind } from "../support/servers/bind.ts";
import { available } from "../support/servers/catalog.ts";
import { loopbackAddress } from "../support/servers/nameserver.ts";
import type { TsigKey } from "../support/servers/nameserver.ts";
import { startPebble } from "../support/servers/pebble.ts";
import type { Pebble } from "../support/servers/pebble.ts";
import { openssl } from "../support/state.ts";

const ready = available("bind") && available("pebble") && (await loopbackAddress("127.0.0.2"));
const keyNamed = (name: string): TsigKey => ({
  name,
  algorithm: "hmac-sha256",
  secret: Buffer.from(`the secret of ${name}`).toString("base64"),
});
const [one, two] = [keyNamed("one"), keyNamed("two")];
const lineOf = ({ algorithm, name, secret }: TsigKey) => `${algorithm}:${name}:${secret}`;

describe.skipIf(!ready)("dns-01 the whole way: rfc2136 to BIND, validated by Pebble", () => {
  let primary: Bind;
  let secondary: Bind;
  let pebble: Pebble;
  let state: string;

  beforeAll(async () => {
    const nameservers = ["ns1.example.test.", "ns2.example.test."];
    primary = await startBind({
      keys: [one, two],
      // Follows CNAMEs from zone to zone as a CA's resolver does, and asks nobody else.
      options: [
        "recursion yes; allow-recursion { any; };",
        "forward only; forwarders { 127.0.0.1 port 9; };",
      ],
      zones: [
        {
          name: "example.test",
          nameservers,
          records: [
            "ns1 IN A 127.0.0.1",
            "ns2 IN A 127.0.0.2",
            "_acme-challenge.shop IN CNAME shop.other.test.",
          ],
          updatePolicy: ["grant one zonesub TXT;"],
        },
        {
          name: "other.test",
          records: ['@ IN CAA 0 issue "pebble.letsencrypt.org"'],
          updatePolicy: ["grant two zonesub TXT;"],
        },
      ],
    });
    secondary = await startBind({
      address: "127.0.0.2",
      port: primary.port,
      zones: [{ name: "example.test", secondaryOf: primary }],
    });
    pebble = await startPebble({ dnsServer: primary.server, env: { PEBBLE_AUTHZREUSE: "0" } });
    state = await mkdtemp(join(tmpdir(), "dns-pebble-"));
  });
  afterAll(async () => {
    await pebble?.close();
    await secondary?.close();
    await primary?.close();
    await rm(state, { recursive: true, force: true });
  });

  const at = () => [
    ...["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile, "--state", state],
  ];
  const looks = () => [
    ...["--dns-resolvers", primary.server, "--dns-port", String(primary.port)],
    ...["--dns-interval", "100ms"],
  ];
  const issue = (names: readonly string[], more: readonly string[], env: Record<string, string>) =>
    run(
      `issue --json --agree-tos --server ${pebble.directoryUrl} --ca-bundle ${pebble.rootFile} --state ${state}
        --dns-resolvers ${primary.server} --dns-port ${primary.port} --dns-interval 100ms`
        .split(/\s+/)
        .concat(
          names.flatMap((name) => ["-d", name]),
          more,
        ),
      { env: { HOME: state, ...env } },
    );

  test("issues for apex, wildcard and a deeper name with a lagging secondary, and keeps a foreign TXT value", async () => {
    const record = "_acme-challenge.example.test";
    const plant = ["zone example.test", `update add ${record} 777 TXT "somebody else's"`];
    expect(await primary.update(plant, one)).toMatchObject({ code: 0 });
    const names = ["example.test", "*.example.test", "www.sub.example.test"];
    let done = false;
    const issuing = issue(names, ["--solver", "rfc2136", "--rfc2136-server", primary.server], {
      ACMECTL_RFC2136_TSIG_KEY: lineOf(one),
    }).finally(() => (done = true));
    await expect.poll(async () => (await primary.txt(record)).length, { timeout: 20_000 }).toBe(3);
    await expect
      .poll(async () => (await primary.txt("_acme-challenge.www.sub.example.test")).length)
      .toBe(1);
    expect(await secondary.txt(record)).toEqual([]);
    expect(done).toBe(false);
    await primary.notify(secondary, "example.test");
    const ran = await issuing;
    expect(ran.stderr + ran.stdout).not.toContain(one.secret);
    expect({ code: ran.code, stderr: ran.code === 0 ? "" : ran.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    expect(await namesIn(ran.stdout)).toEqual(names.toSorted(byText));
    expect(await primary.txt(record)).toEqual([{ value: "somebody else's", ttl: 777 }]);
    expect(await primary.txt("_acme-challenge.www.sub.example.test")).toEqual([]);
  });

  test("the embedded CA uses the resolver given on the command line, so that a dry run works with dns-01", async () => {
    const { code, stderr } = await run(
      [
        ...["issue", "-d", "*.other.test", "--server", "local", "--name", "rehearsal", "--dry-run"],
        ...["--solver", "rfc2136", "--rfc2136-server", primary.server, "--state", state],
        ...["--dns-resolvers", primary.server, "--dns-port", String(primary.port)],
      ],
      { env: { HOME: state, ACMECTL_RFC2136_TSIG_KEY: lineOf(two) } },
    );
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  });

  test("issues one certificate with two solvers, one of them at a CNAME's target", async () => {
    const config = join(state, "config.yaml");
    await writeFile(
      config,
      `solvers:
  first: { use: rfc2136, server: "${primary.server}", tsigKey: "env:KEY_ONE", select: { zones: [example.test] } }
  second: { use: rfc2136, server: "${primary.server}", tsigKey: "env:KEY_TWO", select: { names: [other.test, shop.example.test] } }
`,
    );
    // A name that Pebble has not validated before, so that no authorization is reused.
    const fresh = `n${Date.now()}.example.test`;
    const names = [fresh, "other.test", "shop.example.test"];
    const ticking = setInterval(() => void primary.notify(secondary, "example.test"), 200);
    const ran = await issue(names, ["--config", config], {
      KEY_ONE: lineOf(one),
      KEY_TWO: lineOf(two),
    });
    clearInterval(ticking);
    expect({ code: ran.code, stderr: ran.code === 0 ? "" : ran.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    // The CA's order of authorizations is its own affair.
    expect(ran.stderr).toContain(`presenting dns-01 for ${fresh} by first`);
    expect(ran.stderr).toMatch(
      /presenting dns-01 for (other|shop\.example)\.test, (other|shop\.example)\.test by second/,
    );
    expect(await namesIn(ran.stdout)).toEqual(names);
    expect(await primary.txt("shop.other.test")).toEqual([]);
    expect(await primary.txt("_acme-challenge.other.test")).toEqual([]);
  });

  test("issues and renews by dns-persist-01 without DNS credentials, once its record was written with them", async () => {
    const names = ["standing.other.test", "*.standing.other.test"];
    const record = "_validation-persist.standing.other.test";
    const writer = ["--apply", "--solver", "rfc2136", "--rfc2136-server", primary.server];
    const persistFor = (name: string, ...more: readonly string[]) =>
      run(["account", "persist", ...at(), ...looks(), "-d", name, ...more, "--json"], {
        env: { HOME: state, ACMECTL_RFC2136_TSIG_KEY: lineOf(two) },
      });
    const persist = (...more: readonly string[]) => persistFor("*.standing.other.test", ...more);
    // An account that a state has before its first order.
    await run(["account", "register", ...at(), "--agree-tos"], { env: { HOME: state } });
    const missing = await issue(names, ["--challenge", "dns-persist-01"], {});
    expect({ code: missing.code, stdout: missing.stdout }).toMatchObject({
      code: 7,
      stdout: expect.stringContaining("acmectl account persist") as string,
    });
    expect(pebble.log()).not.toContain("No TXT records found for DNS-PERSIST-01");

    const written = await persist(...writer, "--until", "10d");
    expect(written).toMatchObject({ code: 0 });
    expect(written.stderr).toContain("presenting dns-persist-01 for standing.other.test by");
    const first = await primary.txt(record);
    expect(first.map(({ value }) => value)).toEqual([
      expect.stringMatching(
        /^pebble\.letsencrypt\.org; accounturi=https:\S+; policy=wildcard; persistUntil=\d+$/,
      ),
    ]);
    const soon = await issue(names, ["--challenge", "dns-persist-01"], {});
    expect({ code: soon.code, stderr: soon.stderr }).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`the record at ${record} ends at`) as string,
    });

    expect(await persist(...writer)).toMatchObject({ code: 0 });
    const second = await primary.txt(record);
    expect(second.map(({ value }) => value)).toEqual([
      expect.stringMatching(/accounturi=\S+; policy=wildcard$/),
    ]);
    const renewed = await run(["renew", "standing.other.test", "--force", "--state", state], {
      env: { HOME: state },
    });
    expect({ code: renewed.code, stderr: renewed.stderr }).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining("persistUntil") as string,
    });
    expect(await primary.txt(record)).toEqual(second);

    // What is for the wildcard, too, does not give way to a record that is not.
    const narrow = await persistFor("standing.other.test", ...writer);
    expect(narrow.stderr).toContain(`kept the older record at ${record}, since it allows`);
    expect(await primary.txt(record)).toHaveLength(2);
  });

  test("check finds nothing where the certificate is then issued", async () => {
    const env = { HOME: state, ACMECTL_RFC2136_TSIG_KEY: lineOf(two) };
    const names = ["checked.other.test", "*.checked.other.test"];
    const solver = ["--solver", "rfc2136", "--rfc2136-server", primary.server];
    const words = [...at(), ...looks(), ...solver, "--agree-tos", "-d", names.join(",")];
    const checked = await run(["check", ...words, "--json"], { env });
    const { outcome, certificates } = JSON.parse(checked.stdout) as {
      outcome: string;
      certificates: { checks: { check: string; findings: object[]; skipped?: string }[] }[];
    };
    const checks = certificates[0]?.checks ?? [];
    expect(checks.flatMap(({ findings }) => findings)).toEqual([]);
    expect({ outcome, code: checked.code }).toEqual({ outcome: "ready", code: 0 });
    const looked = checks.filter(({ skipped }) => skipped === undefined);
    expect(looked.map(({ check }) => check)).toEqual(
      expect.arrayContaining(["ca", "clock", "solver", "delegation", "dnssec", "caa"]),
    );
    const issued = await issue(names, solver, env);
    expect({ code: issued.code, stderr: issued.code === 0 ? "" : issued.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
  });

  test("issues by dns-account-01 with the record at a name of the account", async () => {
    const env = { ACMECTL_RFC2136_TSIG_KEY: lineOf(two) };
    const more = ["--solver", "rfc2136", "--rfc2136-server", primary.server];
    const ran = await issue(
      ["labelled.other.test"],
      [...more, "--challenge", "dns-account-01"],
      env,
    );
    expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 0 });
    expect(ran.stderr).toMatch(/_[a-z2-7]{16}\._acme-challenge\.labelled\.other\.test/);
    expect(ran.stderr).toContain("presenting dns-account-01 for labelled.other.test by rfc2136");
  });

  test("reports a TSIG key without permission before an order is made, and issues with a warning if a secondary is dead", async () => {
    const more = ["--solver", "rfc2136", "--rfc2136-server", primary.server];
    const wrong = await issue(["bad.example.test"], more, {
      ACMECTL_RFC2136_TSIG_KEY: lineOf(two),
    });
    expect(wrong.code).toBe(2);
    expect(wrong.stdout).toContain("grant two name _acme-challenge.bad.example.test. TXT;");
    expect(pebble.log()).not.toContain("bad.example.test");
    await secondary.close();
    const dead = await issue(["bad.example.test"], [...more, "--dns-timeout", "1s"], {
      ACMECTL_RFC2136_TSIG_KEY: lineOf(one),
    });
    expect(dead.code).toBe(0);
    expect(dead.stderr).toContain(`ns2.example.test (127.0.0.2:${primary.port})`);
    expect(await primary.txt("_acme-challenge.bad.example.test")).toEqual([]);
  });
});

async function namesIn(stdout: string): Promise<string[]> {
  const { certificates } = JSON.parse(stdout) as {
    certificates: { paths: { certificate: string } }[];
  };
  const file = certificates[0]?.paths.certificate ?? "";
  const text = await openssl("x509", "-in", file, "-noout", "-ext", "subjectAltName");
  return [...text.matchAll(/DNS:([^,\s]+)/g)].map(([, name = ""]) => name).toSorted(byText);
}

const byText = (a: string, b: string) => (a < b ? -1 : 1);
