import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { testClock } from "../support/clock.ts";

interface Report {
  certificates: {
    name: string;
    temporary?: boolean;
    conditions?: { type: string; status: boolean; reason: string }[];
  }[];
}

test("a file that is written with one certificate is refused for another, until that one is deleted", async () => {
  await using issuing = await startIssuing();
  const chain = join(issuing.state, "..", "chain.pem");
  const issue = (name: string) => issuing.issue(["-d", name, "--fullchain-file", chain]);
  expect((await issue("a.test")).code).toBe(0);
  const before = issuing.ca.requests.length;
  const { code, stderr } = await issue("b.test");
  expect([code, stderr]).toEqual([
    2,
    expect.stringContaining(`b.test: ${chain} is already written with the certificate a.test.`),
  ]);
  expect(issuing.ca.requests).toHaveLength(before);
  expect((await issue("a.test")).code).toBe(0);
  expect((await issuing.run(["delete", "a.test", "--yes"])).code).toBe(0);
  expect((await issue("b.test")).code).toBe(0);
});

test("a temporary certificate is held and marked until the CA has issued one, which takes its place", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({ now: () => clock.now() });
  const at = (name: string) => join(issuing.state, "..", name);
  const [chain, key, ran] = ["chain.pem", "key.pem", "ran"].map(at);
  const words = ["-d", "shop.test", "--temporary", "--fullchain-file", chain ?? ""];
  words.push("--key-file", key ?? "", "--deploy-hook", `echo "$(date)" >> ${ran}`);
  const down = issuing.ca.faults.add({
    on: "newOrder",
    times: Infinity,
    do: { status: 503, body: "maintenance" },
  });
  const failed = await issuing.issue(words, { clock });
  expect(failed.code).toBe(4);
  expect(failed.stderr).toContain("has a temporary self-signed certificate");
  const leaf = async () => new X509Certificate(await readFile(chain ?? "", "utf8"));
  expect((await leaf()).issuer).toBe("CN=acmectl temporary certificate");
  expect((await leaf()).checkHost("shop.test")).toBe("shop.test");
  const pem = await readFile(key ?? "", "utf8");
  expect((await leaf()).checkPrivateKey(createPrivateKey(pem))).toBe(true);
  await expect(readFile(ran ?? "", "utf8")).rejects.toThrow(/ENOENT/);

  expect((await issuing.run(["list"], { clock })).stdout).toMatch(/shop\.test .* temporary/);
  const metrics = await issuing.run(["status", "--format", "prometheus"], { clock });
  expect(metrics.stdout).toContain('acmectl_certificate_temporary{name="shop.test"} 1');
  const status = await issuing.run(["status", "--json", "--check"], { clock });
  expect(status.code).toBe(11);
  expect(status.stderr).toContain("shop.test: temporary: It is signed by itself");
  const [shown] = (JSON.parse(status.stdout) as Report).certificates;
  expect(shown?.temporary).toBe(true);
  expect(shown?.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
    status: false,
    reason: "Temporary",
  });
  expect((await issuing.run(["status", "shop.test"], { clock })).stdout).toContain(
    "a temporary self-signed certificate",
  );
  const revoked = await issuing.run(["revoke", "shop.test", "--yes"], { clock });
  expect([revoked.code, revoked.stderr]).toEqual([2, expect.stringContaining("no CA can revoke")]);
  const deployed = await issuing.run(["deploy", "shop.test"], { clock });
  expect([deployed.code, deployed.stdout]).toEqual([0, expect.stringContaining("It is temporary")]);
  await expect(readFile(ran ?? "", "utf8")).rejects.toThrow(/ENOENT/);

  down.remove();
  clock.advance(3_600_000);
  const renewed = await issuing.run(["renew", "--no-jitter"], { clock });
  expect(renewed.code, renewed.stderr).toBe(0);
  expect(renewed.stdout).toContain("Issued shop.test");
  expect((await leaf()).issuer).not.toContain("temporary");
  expect((await readFile(ran ?? "", "utf8")).trim().split("\n")).toHaveLength(1);
  const after = await issuing.run(["status", "--json", "--check"], { clock });
  expect(after.code).toBe(0);
  expect((JSON.parse(after.stdout) as Report).certificates[0]?.temporary).toBeUndefined();
});

test("a temporary certificate is not copied over files that exist, and not made beside a real one", async () => {
  await using issuing = await startIssuing();
  const chain = join(issuing.state, "..", "chain.pem");
  const key = join(issuing.state, "..", "key.pem");
  await writeFile(chain, "a real certificate");
  const words = ["-d", "shop.test", "--temporary", "--fullchain-file", chain, "--key-file", key];
  const fault = issuing.ca.faults.add({ on: "newOrder", times: Infinity, do: { status: 503 } });
  await issuing.issue(words);
  expect(await readFile(chain, "utf8")).toBe("a real certificate");
  await expect(readFile(key, "utf8")).rejects.toThrow(/ENOENT/);
  fault.remove();
  expect((await issuing.issue(words)).code).toBe(0);
  const versions = join(issuing.state, "certificates", "shop.test", "versions");
  const meta = async (version: number) =>
    JSON.parse(await readFile(join(versions, `${version}`, "meta.json"), "utf8")) as object;
  expect(await meta(1)).toHaveProperty("temporary", true);
  expect(await meta(2)).not.toHaveProperty("temporary");
  expect((await issuing.issue([...words, "--force"])).code).toBe(0);
  expect(await meta(3)).not.toHaveProperty("temporary");
});

test("a temporary certificate is made again for other names, and replaces only its own copies", async () => {
  await using issuing = await startIssuing();
  const at = (name: string) => join(issuing.state, "..", name);
  const files = ["--fullchain-file", at("full.pem"), "--key-file", at("key.pem")];
  const words = ["--name", "shop", "--temporary", ...files, "--chain-file", at("chain.pem")];
  issuing.ca.faults.add({ on: "newOrder", times: Infinity, do: { status: 503 } });
  const leaf = async () => new X509Certificate(await readFile(at("full.pem"), "utf8"));
  await issuing.issue(["-d", "a.test", ...words]);
  const first = await leaf();
  // nginx does not start with an empty file of issuers.
  expect(new X509Certificate(await readFile(at("chain.pem"))).fingerprint256).toBe(
    first.fingerprint256,
  );
  await issuing.issue(["-d", "a.test", ...words]);
  expect((await leaf()).fingerprint256).toBe(first.fingerprint256);
  await rm(at("chain.pem"));
  await issuing.issue(["-d", "a.test", ...words]);
  expect(await readFile(at("chain.pem"), "utf8")).toContain("BEGIN CERTIFICATE");

  const other = await issuing.issue(["-d", "a.test,b.test", ...words]);
  expect(other.code, other.stderr).toBe(4);
  const second = await leaf();
  expect(second.checkHost("b.test")).toBe("b.test");
  expect(second.checkPrivateKey(createPrivateKey(await readFile(at("key.pem"), "utf8")))).toBe(
    true,
  );
  const plan = JSON.parse((await issuing.run(["plan", "--json"])).stdout) as {
    certificates: { outcome: string; reason: string }[];
  };
  expect(plan.certificates[0]).toMatchObject({
    reason: expect.stringMatching(/temporary certificate|backing off/),
  });
});

test("with two key types a temporary certificate is made and copied for both keys, and never over a real one", async () => {
  await using issuing = await startIssuing();
  const at = (name: string) => join(issuing.state, "..", name);
  const words = ["-d", "a.test", "--temporary", "--key-types", "ec256,rsa2048"];
  words.push("--fullchain-file", at("full.pem"), "--key-file", at("key.pem"));
  issuing.ca.faults.add({ on: "newOrder", times: Infinity, do: { status: 503 } });
  await issuing.issue(words);
  const keyOf = async (suffix: string) => {
    const leaf = new X509Certificate(await readFile(at(`full.pem${suffix}`), "utf8"));
    expect(leaf.issuer).toContain("temporary");
    const key = createPrivateKey(await readFile(at(`key.pem${suffix}`), "utf8"));
    return leaf.checkPrivateKey(key) ? key.asymmetricKeyType : undefined;
  };
  expect([await keyOf(""), await keyOf(".rsa")]).toEqual(["ec", "rsa"]);

  await rm(at("full.pem"));
  await writeFile(at("full.pem.rsa"), "a real certificate");
  await issuing.issue(words);
  expect(await readFile(at("full.pem.rsa"), "utf8")).toBe("a real certificate");
  await expect(readFile(at("full.pem"))).rejects.toThrow(/ENOENT/);
});
