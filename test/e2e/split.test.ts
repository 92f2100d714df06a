/** More names than one certificate can have, from the first order to the removal of names. */
import { X509Certificate } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";

const names = Array.from({ length: 102 }, (_, index) => `h${index}.example.test`);

describe("a certificate of 102 names, which is split", () => {
  let issuing: Issuing;
  beforeAll(async () => {
    issuing = await startIssuing();
  });
  afterAll(() => issuing?.[Symbol.asyncDispose]());

  const leafOf = async (name: string) => {
    const file = join(issuing.state, "certificates", name, "current", "cert.pem");
    const leaf = new X509Certificate(await readFile(file));
    const found = (leaf.subjectAltName ?? "").split(", ").map((one) => one.replace("DNS:", ""));
    return { serial: leaf.serialNumber, names: found };
  };
  const run = async (words: readonly string[]) => {
    const ran = await issuing.run([...words, "--json"]);
    expect(ran.code, ran.stderr).toBe(0);
    const { certificates } = JSON.parse(ran.stdout) as {
      certificates: { name: string; outcome: string }[];
    };
    const outcomes = Object.fromEntries(certificates.map(({ name, outcome }) => [name, outcome]));
    return { ...ran, outcomes };
  };

  test("on the command line: each part is issued, renewed and shrinks on its own", async () => {
    const port = String(issuing.httpPort);
    const words = ["--split", "--name", "shop", ...issuing.words];
    const by = ["--standalone", "--standalone-port", port, "--self-check-at", `127.0.0.1:${port}`];
    const issue = (wanted: readonly string[]) =>
      run(["issue", "-d", wanted.join(","), ...words, ...by]);
    expect((await issue(names)).outcomes).toEqual({ shop: "issued", "shop-2": "issued" });
    expect((await leafOf("shop")).names.toSorted()).toEqual(names.slice(0, 100).toSorted());
    const second = await leafOf("shop-2");
    expect(second.names).toEqual(names.slice(100));
    expect((await issue(names)).outcomes).toEqual({ shop: "unchanged", "shop-2": "unchanged" });

    expect((await run(["renew", "shop-2", "--force"])).outcomes).toEqual({ "shop-2": "renewed" });
    expect((await leafOf("shop-2")).serial).not.toBe(second.serial);

    const fewer = await issue(names.slice(0, 101));
    expect(fewer.outcomes).toEqual({ shop: "unchanged", "shop-2": "issued" });
    expect((await leafOf("shop-2")).names).toEqual(["h100.example.test"]);
    const one = await issue(names.slice(0, 100));
    expect(one.outcomes).toEqual({ shop: "unchanged" });
    expect(one.stderr).toContain("shop-2 is not a part of this request and is still renewed");
  });

  test("in the config: apply removes the part that has no names left with --prune", async () => {
    const port = issuing.httpPort;
    const config = join(issuing.state, "..", "config.yaml");
    const write = (wanted: readonly string[]) =>
      writeFile(
        config,
        `issuers: { lab: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}" } }
solvers: { here: { use: standalone, port: ${port} } }
defaults: { selfCheckAt: "127.0.0.1:${port}" }
certificates: { hosts: { domains: [${wanted.join(", ")}], split: true } }
`,
      );
    const apply = (...more: readonly string[]) =>
      run(["apply", "--no-jitter", "--config", config, ...more]);
    await write(names);
    expect((await apply()).outcomes).toMatchObject({ hosts: "issued", "hosts-2": "issued" });
    await write(names.slice(2));
    const planned = await run(["plan", "--config", config]);
    expect(planned.outcomes).toMatchObject({ hosts: "re-issue", "hosts-2": "orphaned" });
    const pruned = await issuing.run(["apply", "--no-jitter", "--prune", "--config", config]);
    expect(pruned.stdout).toContain("Removed hosts-2: it is not in the config any more.");
    expect((await leafOf("hosts")).names.toSorted()).toEqual(names.slice(2).toSorted());
    await expect(leafOf("hosts-2")).rejects.toThrow("ENOENT");
  });
});
