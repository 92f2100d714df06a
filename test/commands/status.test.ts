import { readFile, readdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";
import { testClock } from "../support/clock.ts";
import { startIssuing } from "../support/issuing.ts";

const day = 86_400_000;
const name = "a.example.test";

async function aging() {
  const clock = testClock();
  const issuing = await startIssuing({ now: () => clock.now(), authorizationReuse: 0 });
  return { clock, issuing };
}

/** Of the JSON document, the conditions of the first certificate by their type. */
function conditionsIn(
  stdout: string,
): Record<string, { status: boolean; reason: string; message: string }> {
  const { certificates } = JSON.parse(stdout);
  return Object.fromEntries(
    certificates[0].conditions.map((one: { type: string }) => [one.type, one]),
  );
}

describe("status", () => {
  test("status shows the certificate, its conditions and the last order as a tree, without a request", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", `${name},b.example.test`], { clock });
    const asked = issuing.ca.requests.length;
    const { code, stdout, stderr } = await issuing.run(["status", name], { clock });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toMatch(/^Ready +True +Valid /m);
    expect(stdout).toMatch(/^Issuing +False +NoOrder /m);
    expect(stdout).toMatch(/^Valid until +\d{4}-\d\d-\d\d \d\d:\d\d UTC, in \d+ days$/m);
    expect(stdout).toMatch(/^BackingOff +False +NoFailure /m);
    expect(stdout).toMatch(/^Deployed +True +NoSteps /m);
    expect(stdout).toMatch(
      new RegExp(
        [
          String.raw`^Order https://\S+/order/\S+`,
          `  Authorization of ${name}: valid`,
          String.raw`    http-01 by standalone at http://${name}/\S+: valid`,
          String.raw`      127\.0\.0\.1:\d+: .+`,
          "  Authorization of b.example.test: valid",
        ].join("\n"),
        "m",
      ),
    );
    expect(stdout).not.toMatch(/ self-check +http/);
    const all = await issuing.run(["describe", name], { clock });
    expect(all.stdout).toMatch(/ self-check +http/);
    expect(all.stdout).toMatch(/^Solver standalone +standalone, from the command line$/m);
    const json = JSON.parse((await issuing.run(["status", name, "--json"], { clock })).stdout);
    expect(json.certificates[0]).toMatchObject({
      outcome: "held",
      next: { action: "none", at: json.certificates[0].dueAt },
      status: { lastAttempt: { authorizations: [{ status: "valid" }, { status: "valid" }] } },
    });
    expect(issuing.ca.requests).toHaveLength(asked);
  });

  test("status shows why an attempt failed, in the CA's words, and when the next one is due", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    const problem = { type: "rejectedIdentifier", detail: "policy forbids\nthis name" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 400, problem } });
    await issuing.issue(["-d", name], { clock });
    const first = await issuing.run(["status", name], { clock });
    expect(first.stdout).toContain("No certificate has been issued yet.");
    expect(first.stdout).toMatch(/^BackingOff +True +Refused +1 failure.*policy forbids/m);
    issuing.ca.faults.add({ on: "newOrder", do: { status: 503, retryAfter: 7200 } });
    await issuing.issue(["-d", "b.example.test"], { clock });
    const { stdout } = await issuing.run(["status", "b.example.test", "--json"], { clock });
    const { BackingOff, Ready } = conditionsIn(stdout);
    const until = new Date(clock.now().getTime() + 7_200_000).toISOString().slice(0, 16);
    expect(BackingOff).toMatchObject({ status: true, reason: "LimitedByCa" });
    expect(BackingOff?.message).toContain(until.slice(0, 13).replace("T", " "));
    expect(Ready).toMatchObject({ status: false, reason: "Missing" });
    expect(JSON.parse(stdout).certificates[0].next).toMatchObject({ action: "wait" });
  });

  test("status without a name shows an overview, and an unknown name is refused with a list of the known ones", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    const empty = await issuing.run(["status"], { clock });
    expect(empty).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("has no certificates"),
    });
    await issuing.issue(["-d", name], { clock });
    const { stdout } = await issuing.run(["status"], { clock });
    expect(stdout).toMatch(
      /^NAME +STATE +EXPIRES +NEXT +WHEN\na\.example\.test +valid +in 89 days +renew +20/,
    );
    const unknown = await issuing.run(["describe", "b.example.test"], { clock });
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain(`Choose one of these: ${name}`);
  });

  test("status shows the unfinished order of a killed run as open", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    issuing.ca.faults.add({
      on: "finalize",
      do: { status: 500, problem: { type: "serverInternal" } },
      times: 9,
    });
    await issuing.issue(["-d", name], { clock });
    const { Issuing } = conditionsIn(
      (await issuing.run(["status", name, "--json"], { clock })).stdout,
    );
    expect(Issuing).toMatchObject({ status: true, reason: "OrderOpen" });
  });
});

describe("status --check", () => {
  test("status --check and plan report a solver whose secret is missing", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    const token = join(issuing.state, "../token");
    await writeFile(token, "secret-token");
    const config = join(issuing.state, "../config.yaml");
    await writeFile(
      config,
      `issuers: { ca: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}" } }
solvers: { here: { use: standalone, port: ${issuing.httpPort} }, cf: { use: cloudflare, apiToken: "file:${token}" } }
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}", solvers: [here, cf] }
certificates: { shop: { domains: [shop.example.test] } }
`,
    );
    const applied = await issuing.run(["apply", "--config", config], { clock });
    expect(applied).toMatchObject({ code: 0 });
    const check = () => issuing.run(["status", "--check"], { clock });
    expect(await check()).toMatchObject({ code: 0 });
    await rename(token, `${token}.old`);
    const missing = `apiToken: cannot read ${token}: no such file or directory.`;
    const checked = await check();
    expect(checked).toMatchObject({ code: 11 });
    expect(checked.stdout).toBe("acmectl: 1 of 1 certificates: shop (not ready)\n");
    expect(checked.stderr).toContain(`shop: not ready: solver cf.${missing}`);
    const plan = await issuing.run(["plan", "--config", config, "--json"], { clock });
    expect(JSON.parse(plan.stdout).warnings).toEqual([`solvers.cf.${missing}`]);
    const shown = await issuing.run(["plan", "--config", config], { clock });
    expect(shown.stdout).toContain(`solvers.cf.${missing}`);
  });

  test("status --check prints one line and exits with 0 while all certificates are good", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", name], { clock });
    const well = await issuing.run("status --check --warn 14d".split(" "), { clock });
    expect(well).toEqual({
      code: 0,
      stdout: "acmectl: the certificate is good; the first expires in 89 days\n",
      stderr: "",
    });
    const quiet = await issuing.run("status --check -q".split(" "), { clock });
    expect(quiet).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("status --check exits with 11 for a certificate that is past due, expired, or expires within --warn", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", name], { clock });
    const warned = await issuing.run("status --check --warn 90d".split(" "), { clock });
    expect(warned.code).toBe(11);
    expect(warned.stdout).toBe(`acmectl: 1 of 1 certificates: ${name} (expiring)\n`);
    expect(warned.stderr).toContain("It expires 20");
    clock.advance(60 * day + day / 2);
    expect((await issuing.run("status --check".split(" "), { clock })).code).toBe(0);
    clock.advance(day);
    const late = await issuing.run("status --check -q".split(" "), { clock });
    expect(late.code).toBe(11);
    expect(late.stderr).toContain(`${name}: past due: It was due at`);
    clock.advance(30 * day);
    const over = await issuing.run("status --check --json".split(" "), { clock });
    expect(over.code).toBe(11);
    const document = JSON.parse(over.stdout);
    expect(document).toMatchObject({ outcome: "troubled", problem: { code: 11 } });
    expect(document.certificates[0].findings).toMatchObject([{ kind: "expired" }]);
  });

  test("status --check exits with 6 while only attempts fail, 9 while only deployment fails, 11 for both", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", name], { clock });
    issuing.ca.faults.add({
      on: "newOrder",
      // With `replaces`, and once more without it.
      times: 2,
      do: { status: 500, problem: { type: "serverInternal", detail: "out of order" } },
    });
    await issuing.run(["renew", "--force", "--no-jitter"], { clock });
    const failing = await issuing.run("status --check".split(" "), { clock });
    expect(failing.code).toBe(6);
    expect(failing.stderr).toContain("out of order");
    await issuing.issue(["-d", "b.example.test", "--deploy-hook", "exit 3"], { clock });
    expect((await issuing.run("status b.example.test --check".split(" "), { clock })).code).toBe(9);
    const both = await issuing.run("status --check".split(" "), { clock });
    expect(both.code).toBe(11);
    expect(both.stdout).toContain(
      "2 of 2 certificates: a.example.test (failing), b.example.test (undeployed)",
    );
  });

  test("status --check fails for a certificate in the config that was never issued", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    const config = join(issuing.state, "../config.yaml");
    await writeFile(
      config,
      `issuers: { ca: { server: "${issuing.ca.directoryUrl}" } }\nsolvers: { web: { use: standalone } }\ncertificates: { shop: { domains: [shop.example.com] } }\n`,
    );
    const { code, stdout } = await issuing.run(["status", "--check", "--config", config], {
      clock,
    });
    expect(stdout).toContain("shop (missing)");
    expect(code).toBe(11);
  });

  test("status --check fails for an empty state folder", async () => {
    const { issuing } = await aging();
    await using _ = issuing;
    const { code, stderr } = await issuing.run("status --check".split(" "));
    expect(code).toBe(2);
    expect(stderr).toContain("--state");
  });
});

describe("status --format prometheus", () => {
  test("status --format prometheus replaces its file in one rename, also when --check fails", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", name], { clock });
    const folder = join(issuing.state, "..");
    const file = join(folder, "acmectl.prom");
    await writeFile(file, "old", { mode: 0o600 });
    const before = await stat(file);
    const words = ["status", "--format", "prometheus"];
    const ran = await issuing.run([...words, "--output", file, "--check", "--warn", "100d", "-q"], {
      clock,
    });
    expect(ran).toMatchObject({ code: 11, stdout: "" });
    const after = await stat(file);
    expect(after.ino).not.toBe(before.ino);
    expect(after.mode & 0o777).toBe(0o644);
    expect((await readdir(folder)).filter((entry) => entry.includes("prom"))).toEqual([
      "acmectl.prom",
    ]);
    const printed = await issuing.run([...words, "-q"], { clock });
    expect(printed.stdout).toBe(await readFile(file, "utf8"));
    expect(printed.stdout).toContain(
      `acmectl_certificate_condition{name="${name}",condition="Ready"} 1\n`,
    );
  });

  test("status --output names the folder that is missing", async () => {
    const { issuing } = await aging();
    await using _ = issuing;
    const words = ["status", "--format", "prometheus", "--output", "/nowhere/acmectl.prom"];
    const { code, stderr } = await issuing.run(words);
    expect(code).toBe(3);
    expect(stderr).toContain("mkdir -p /nowhere");
  });

  test.each([
    ["--output x.prom", "--format prometheus"],
    ["--warn 14d", "--check"],
  ])("status %s is refused without %s", async (words, needed) => {
    const { issuing } = await aging();
    await using _ = issuing;
    const { code, stderr } = await issuing.run(["status", ...words.split(" ")]);
    expect(code).toBe(2);
    expect(stderr).toContain(needed);
  });
});

test("list shows each certificate with its state, and with --json its conditions", async () => {
  const { clock, issuing } = await aging();
  await using _ = issuing;
  await issuing.issue(["-d", `${name},b.example.test`], { clock });
  const { stdout } = await issuing.run(["list"], { clock });
  expect(stdout).toMatch(
    /^a\.example\.test +a\.example\.test \+1 +in 89 days +in \d+ days +\S.* +valid$/m,
  );
  const json = await issuing.run(["list", "--json"], { clock });
  expect(conditionsIn(json.stdout)).toMatchObject({ Ready: { status: true } });
});

test("the documents of list, status and describe match the schema", async () => {
  const { clock, issuing } = await aging();
  await using _ = issuing;
  await issuing.issue(["-d", name, "--deploy-hook", "exit 3"], { clock });
  issuing.ca.faults.add({
    on: "newOrder",
    do: { status: 500, problem: { type: "serverInternal" } },
  });
  await issuing.issue(["-d", "b.example.test"], { clock });
  const file = new URL("../../schema/result.schema.json", import.meta.url);
  const ajv = new Ajv2020({ allErrors: true, validateFormats: false, strictTypes: false });
  const isResult = ajv.compile(JSON.parse(await readFile(file, "utf8")));
  for (const words of ["list", "status", "status --check --warn 14d", `describe ${name}`]) {
    const { stdout } = await issuing.run([...words.split(" "), "--json"], { clock });
    const document = JSON.parse(stdout);
    expect([words, isResult(document), isResult.errors]).toEqual([words, true, null]);
    expect(document.certificates[0].conditions).toHaveLength(4);
  }
});

describe("list", () => {
  test("list shows when a certificate that backs off is tried again", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", name], { clock });
    clock.advance(75 * day);
    const problem = { type: "rateLimited", detail: "slow down" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 429, problem, retryAfter: 7200 } });
    await issuing.run(["renew"], { clock });
    const { stdout } = await issuing.run(["list"], { clock });
    expect(stdout).toMatch(
      /^a\.example\.test +a\.example\.test +in 14 days +in (2 hours|1\\d\\d minutes) /m,
    );
    expect(stdout).not.toMatch(/ now /);
  });

  test("list shows a first certificate as issuing while a run works on its order", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    const config = join(issuing.state, "../config.yaml");
    await writeFile(
      config,
      `issuers: { ca: { server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}" } }
solvers: { here: { use: standalone, port: ${issuing.httpPort} } }
defaults: { selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
certificates: { shop: { domains: [shop.example.test] } }
`,
    );
    const during = issuing.run(["apply", "--config", config], { clock });
    const list = async (): Promise<string> => (await issuing.run(["list"], { clock })).stdout;
    let seen = await list();
    for (let tries = 0; tries < 500 && !seen.includes("issuing"); tries += 1) seen = await list();
    expect(seen).toMatch(/^shop +shop\.example\.test +- +- +- +issuing$/m);
    expect((await during).code).toBe(0);
    expect(await list()).toMatch(/^shop .* valid$/m);
  });

  test("list and status report a certificate whose folder was renamed by hand, and delete removes it", async () => {
    const { clock, issuing } = await aging();
    await using _ = issuing;
    await issuing.issue(["-d", name], { clock });
    const certificates = join(issuing.state, "certificates");
    await rename(join(certificates, name), join(certificates, "other"));
    const { stdout } = await issuing.run(["list"], { clock });
    expect(stdout).toContain("broken");
    expect(stdout).toContain(`is the folder of the certificate ${name}`);
    const check = await issuing.run(["status", "--check"], { clock });
    expect(check.code).toBe(11);
    expect(check.stdout).toContain("other (broken)");
    await rename(join(certificates, "other"), join(certificates, name));
    expect((await issuing.run(["status", "--check"], { clock })).code).toBe(0);
    await rename(join(certificates, name), join(certificates, "other"));
    expect(await issuing.run(["delete", "other", "--yes"], { clock })).toMatchObject({ code: 0 });
    expect(await readdir(certificates)).toEqual([]);
  });
});

test("a first issue that failed does not make list, renew and status --check fail", async () => {
  const { clock, issuing } = await aging();
  await using _ = issuing;
  await issuing.issue(["-d", "good.example.test"], { clock });
  const problem = { type: "rejectedIdentifier", detail: "not that name" };
  issuing.ca.faults.add({ on: "newOrder", times: 2, do: { status: 403, problem } });
  expect((await issuing.issue(["-d", "bad.example.test"], { clock })).code).toBe(5);
  expect((await issuing.run(["list"], { clock })).stdout).not.toContain("bad.example.test");
  expect((await issuing.run(["renew"], { clock })).code).toBe(0);
  expect((await issuing.run(["status", "--check"], { clock })).code).toBe(0);
  expect((await issuing.run(["plan"], { clock })).stdout).not.toContain("bad.example.test");
  await issuing.run(["delete", "good.example.test", "--yes"], { clock });
  expect((await issuing.run(["renew"], { clock })).code).toBe(2);
  expect((await issuing.run(["status", "--check"], { clock })).code).toBe(2);
});

test("a certificate of a CA that asks for no proof is ready without a solver, by flag and by config", async () => {
  const clock = testClock();
  await using issuing = await startIssuing({ now: () => clock.now() });
  const [name, trusted] = ["a.example.test", "trusted"];
  // The CA reuses this authorization, so that it asks for no further proof.
  await issuing.issue(["-d", name], { clock });
  const solver = ["--solver", "none"];
  const issued = await issuing.issue(["-d", name, "--name", trusted], { clock, solver });
  expect(issued, issued.stderr).toMatchObject({ code: 0 });
  expect((await issuing.run(["status", "--check"], { clock })).code).toBe(0);
  const changed = await issuing.issue(["-d", name], { clock, solver });
  expect(changed.stdout).toContain("renewals now use no solver instead of standalone");

  const config = join(issuing.state, "../config.yaml");
  const issuer = `{ server: "${issuing.ca.directoryUrl}", agreeTos: true, caBundle: "${issuing.words[3]}" }`;
  await writeFile(
    config,
    `issuers: { lab: ${issuer} }
certificates:
  one: { domains: [${name}], solver: none }
  two: { domains: [${name}], solvers: [none] }
`,
  );
  const here = ["--config", config];
  const valid = await issuing.run(["config", "validate", ...here], { clock });
  expect(valid, valid.stdout).toMatchObject({ code: 0, stderr: "" });
  expect(await issuing.run(["apply", ...here], { clock })).toMatchObject({ code: 0 });
  expect((await issuing.run(["status", "--check", ...here], { clock })).code).toBe(0);
});
