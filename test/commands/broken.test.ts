import { generateKeyPairSync } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";

const [good, bad] = ["a.example.test", "b.example.test"];

/** Two certificates are held; the record of the second is what a failing disk left. */
async function halfBroken() {
  const issuing = await startIssuing();
  for (const name of [good, bad]) expect((await issuing.issue(["-d", name])).code).toBe(0);
  const record = join(issuing.state, "certificates", bad, "certificate.json");
  await writeFile(record, "{");
  return { issuing, record };
}

test("a broken record is shown as broken, and the others as usual", async () => {
  const { issuing, record } = await halfBroken();
  await using _ = issuing;
  const list = await issuing.run(["list"]);
  expect(list.code).toBe(0);
  expect(list.stdout).toMatch(/^a\.example\.test .* valid$/m);
  expect(list.stdout).toMatch(/^b\.example\.test .* broken$/m);
  expect(list.stdout).toContain(`b.example.test is broken: `);
  expect(list.stdout).toContain(record);
  const status = await issuing.run(["status"]);
  expect(status.code).toBe(0);
  expect(status.stdout).toMatch(/^a\.example\.test +valid /m);
  expect(status.stdout).toMatch(/^b\.example\.test +broken /m);
  for (const words of [
    ["status", bad],
    ["describe", good, bad],
  ]) {
    const ran = await issuing.run(words);
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain("Hint: ");
  }
  const schema = new URL("../../schema/result.schema.json", import.meta.url);
  const ajv = new Ajv2020({ validateFormats: false, strictTypes: false });
  const isResult = ajv.compile(JSON.parse(await readFile(schema, "utf8")));
  for (const command of ["list", "status", "plan"]) {
    const document = JSON.parse((await issuing.run([command, "--json"])).stdout);
    const { certificates } = document;
    expect([isResult(document), isResult.errors]).toEqual([true, null]);
    expect(certificates.map(({ name }: { name: string }) => name)).toEqual([good, bad]);
    expect(certificates[1]).toMatchObject({ outcome: "broken" });
  }
});

test("plan shows the readable certificates and fails; status --check names the broken one", async () => {
  const { issuing, record } = await halfBroken();
  await using _ = issuing;
  const plan = await issuing.run(["plan"]);
  expect(plan.code).toBe(3);
  expect(plan.stdout).toMatch(/^a\.example\.test +none /m);
  expect(plan.stderr).toContain(record);
  const check = await issuing.run(["status", "--check", "--json"]);
  expect(check.code).toBe(11);
  const { certificates, problem } = JSON.parse(check.stdout);
  expect(problem.detail).toContain(`${bad}: broken: `);
  expect(certificates[0].findings).toEqual([]);
  expect(certificates[1].findings).toMatchObject([{ kind: "broken" }]);
  const words = ["status", "--check", "--format", "prometheus"];
  const file = join(issuing.state, "..", "acmectl.prom");
  expect((await issuing.run([...words, "--output", file])).stdout).toBe(
    `acmectl: 1 of 2 certificates: ${bad} (broken)\n`,
  );
  const metrics = await readFile(file, "utf8");
  expect(metrics).toContain("acmectl_certificates 2\n");
  expect(metrics).toContain(`_condition{name="${bad}",condition="Ready"} 0\n`);
  expect(metrics).toContain(`_condition{name="${good}",condition="Ready"} 1\n`);
});

test("a missing record and a broken journal count as broken", async () => {
  const { issuing, record } = await halfBroken();
  await using _ = issuing;
  await rename(record, join(issuing.state, "..", "elsewhere"));
  const journal = join(issuing.state, "pending", `${good}.json`);
  await mkdir(dirname(journal), { recursive: true });
  await writeFile(journal, "{");
  const { code, stdout, stderr } = await issuing.run(["status", "--check"]);
  expect({ code, stdout }).toEqual({
    code: 11,
    stdout: `acmectl: 2 of 2 certificates: ${good} (broken), ${bad} (broken)\n`,
  });
  expect(stderr).toContain(`${record} is missing`);
  expect(stderr).toContain(journal);
});

test("delete removes a certificate that cannot be read, and no other", async () => {
  const { issuing } = await halfBroken();
  await using _ = issuing;
  expect(await issuing.run(["delete", bad, "--yes"])).toMatchObject({ code: 0 });
  const { certificates } = JSON.parse((await issuing.run(["list", "--json"])).stdout);
  expect(certificates).toMatchObject([{ name: good, outcome: "valid" }]);
  const again = await issuing.run(["delete", bad, "--yes"]);
  expect(again.code).toBe(2);
  expect(again.stderr).toContain(`Choose one of these: ${good}.`);
});

test("a private key file that is missing stops its own certificate alone", async () => {
  await using issuing = await startIssuing();
  const folder = dirname(issuing.state);
  const [file, key] = [join(folder, "config.yaml"), join(folder, "shop.key")];
  const bundle = issuing.words[issuing.words.indexOf("--ca-bundle") + 1];
  await writeFile(
    file,
    `issuers:
  test: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${bundle}" }
solvers:
  web: { use: standalone, port: ${issuing.httpPort} }
defaults: { issuer: test, selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
certificates:
  shop: { domains: [${good}], privateKey: "${key}" }
  other: { domains: [${bad}] }
`,
  );
  const withConfig = (...words: string[]) => issuing.run([...words, "--config", file]);
  const told = `${file}: certificates.shop: The private key ${key} cannot be read: `;
  const unfolded = (text: string) => text.replaceAll(/\s+/g, " ");

  const plan = await withConfig("plan");
  expect(plan.code).toBe(2);
  expect(plan.stdout).toMatch(/^other +issue /m);
  expect(plan.stdout).toMatch(/^shop +broken /m);
  expect(unfolded(plan.stderr)).toContain(told);
  expect(unfolded(plan.stdout)).not.toContain(told);

  const apply = await withConfig("apply", "--prune", "--json");
  expect(JSON.parse(apply.stdout).certificates).toMatchObject([
    { name: "other", outcome: "issued" },
    { name: "shop", outcome: "failed", problem: { detail: expect.stringContaining(told) } },
  ]);
  expect((await withConfig("check", "other")).code).toBe(0);
  const check = await withConfig("check", "shop");
  expect([check.code, unfolded(check.stderr)]).toEqual([2, expect.stringContaining(told)]);
  expect(unfolded((await withConfig("config", "validate")).stdout)).toContain(told);

  const made = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  await writeFile(key, made.export({ type: "pkcs8", format: "pem" }));
  expect((await withConfig("apply")).code).toBe(0);
  await rename(key, `${key}.away`);
  // What is held stays, also where --prune removes what the config does not have.
  expect((await withConfig("apply", "--prune")).code).toBe(11);
  expect((await issuing.run(["list"])).stdout).toMatch(/^shop .* valid$/m);
});
