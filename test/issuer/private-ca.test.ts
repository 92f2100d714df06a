import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { selfSigned } from "../acme/world.ts";
import { startIssuing } from "../support/issuing.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

test("the CA bundle may be PEM text in the config or in a variable", async () => {
  await using issuing = await startIssuing();
  const folder = join(issuing.state, "..");
  const root = await readFile(join(folder, "ca.pem"), "utf8");
  const config = join(folder, "config.yaml");
  const block = root.trim().replaceAll(/^/gm, "      ");
  await writeFile(
    config,
    `issuers:
  lab:
    server: ${issuing.ca.directoryUrl}
    agreeTos: true
    caBundle: |
${block}
solvers:
  web: { use: standalone, port: ${issuing.httpPort} }
certificates:
  shop: { domains: [intranet], selfCheckAt: "127.0.0.1:${issuing.httpPort}" }
`,
  );
  const valid = await issuing.run(["config", "validate", "--config", config]);
  expect(valid.code, valid.stderr).toBe(0);
  const applied = await issuing.run(["apply", "--config", config]);
  expect(applied.code, applied.stderr).toBe(0);
  expect((await issuing.run(["renew", "--force"])).code).toBe(0);

  const server = ["--server", issuing.ca.directoryUrl];
  const env = { HOME: folder, ACMECTL_CA_BUNDLE: root.replaceAll("\n", " ") };
  const shown = await issuing.run(["account", "show", ...server], { env });
  expect(shown.code, shown.stderr).toBe(0);
});

test("a CA with a directory for each profile path issues from each, and the query of its URLs survives", async () => {
  await using issuing = await startIssuing();
  const { ca } = issuing;
  const [base] = ca.directoryUrl.split("/directory");
  const query = "?tenant=blue&zone=a%2Fb";
  const at = (profile: string) => `/acme/profile/${profile}/directory${query}`;
  for (const profile of ["web", "mail"]) {
    const resources = Object.entries({
      newNonce: "new-nonce",
      newAccount: "new-account",
      newOrder: "new-order",
      revokeCert: "revoke-cert",
      keyChange: "key-change",
    });
    const urls = resources.map(([name, path]) => [name, `${base}/${path}${query}&p=${profile}`]);
    const body = JSON.stringify(Object.fromEntries(urls));
    const on = ({ path }: { path: string }) => path === at(profile);
    ca.faults.add({ on, times: Infinity, do: { body, contentType: "application/json" } });
  }
  const stored = async (name: string) => {
    const { stdout } = await issuing.run(["list", "--json"]);
    const { certificates } = JSON.parse(stdout) as { certificates: Record<string, string>[] };
    return certificates.find((one) => one["name"] === name)?.["directory"];
  };
  for (const profile of ["web", "mail"]) {
    const name = `${profile}.test`;
    const server = `${base}${at(profile)}`;
    const issued = await issuing.issue(["-d", name, "--server", server]);
    expect(issued.code, issued.stderr).toBe(0);
    expect(await stored(name)).toBe(server);
    const before = ca.requests.length;
    const renewed = await issuing.run(["renew", name, "--force"]);
    expect(renewed.code, renewed.stderr).toBe(0);
    const asked = ca.requests.slice(before).map(({ path }) => path);
    expect(asked[0]).toBe(at(profile));
    expect(asked).toContain(`/new-order${query}&p=${profile}`);
    const revoked = await issuing.run(["revoke", name, "--yes"]);
    expect(revoked.code, revoked.stderr).toBe(0);
  }
  const paths = ca.requests.map(({ path }) => path);
  const toAccounts = paths.filter((path) => path.startsWith("/new-account"));
  // Each directory has its own account.
  expect(toAccounts).toEqual(["web", "mail"].map((one) => `/new-account${query}&p=${one}`));
  expect(paths.filter((path) => path.includes("directory"))).not.toContain("/directory");
});

test("each name that the CA rejects is shown with its own reason", async () => {
  await using issuing = await startIssuing();
  const rejected = (value: string, detail: string) => ({
    type: "urn:ietf:params:acme:error:rejectedIdentifier",
    detail,
    identifier: { type: "dns", value },
  });
  const body = JSON.stringify({
    type: "urn:ietf:params:acme:error:rejectedIdentifier",
    detail: "Some names were rejected.",
    subproblems: [rejected("a.test", "is on a list"), rejected("b.test", "is not ours")],
  });
  const answer = { status: 403, contentType: "application/problem+json", body };
  issuing.ca.faults.add({ on: "newOrder", do: answer });
  const { code, stderr } = await issuing.issue(["-d", "a.test,b.test,c.test"]);
  expect(code).toBe(5);
  expect(stderr).toMatch(/a\.test: is on a list/);
  expect(stderr).toMatch(/b\.test: is not ours/);
  expect(stderr).not.toMatch(/c\.test:/);
});

test("a client key that is not the certificate's is refused with both files before the CA is asked", async () => {
  await using issuing = await startIssuing();
  const at = (name: string) => join(issuing.state, "..", name);
  const [mine, other] = [await selfSigned("acmectl"), await selfSigned("other")];
  await writeFile(at("client.pem"), mine.cert);
  await writeFile(at("client.key"), mine.key);
  await writeFile(at("other.key"), other.key);
  await writeFile(at("text"), "not PEM");
  const issue = async (certificate: string, key: string) => {
    const files = ["--client-cert", at(certificate), "--client-key", at(key)];
    const { code, stderr } = await issuing.issue(["-d", "shop.test", ...files]);
    return [code, stderr.replaceAll(/\s+/g, " ")];
  };
  expect(await issue("client.pem", "other.key")).toEqual([
    2,
    expect.stringContaining(
      `--client-key: ${at("other.key")} is not the private key of the certificate in --client-cert: ${at("client.pem")}.`,
    ),
  ]);
  for (const [certificate, key, message] of [
    ["client.pem", "text", "--client-key: FILE is not a private key in PEM form"],
    ["text", "client.key", "--client-cert: FILE is not a certificate in PEM form."],
  ] as const) {
    const [code, stderr] = await issue(certificate, key);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(message.replace("FILE", at("text"))),
    ]);
    expect(stderr).not.toContain("routines");
  }
  expect(issuing.ca.requests).toEqual([]);
  expect((await issue("client.pem", "client.key"))[0]).toBe(0);
});

test.each([
  ["--zerossl-api-key", "env:NOPE"],
  ["--eab-kid", "kid", "--eab-hmac", "env:NOPE"],
])("a missing secret of %s is reported before the CA is asked", async (...words) => {
  await using folder = await temporaryFolder();
  const env = { HOME: folder.path, ACMECTL_STATE: join(folder.path, "state") };
  const server = ["--server", "zerossl", "--agree-tos", "--non-interactive"];
  const { code, stderr } = await run(["account", "register", ...server, ...words], { env });
  expect([code, stderr]).toEqual([2, expect.stringContaining("NOPE")]);
});

test("a private key given as text where a file is meant is not shown", async () => {
  await using issuing = await startIssuing();
  const { key } = await selfSigned("acmectl");
  const asked = ["issue", "-d", "shop.test", "--server", issuing.ca.directoryUrl, "--standalone"];
  for (const flags of [
    ["--ca-bundle", key],
    ["--client-cert", key, "--client-key", key],
  ]) {
    const { code, stderr } = await issuing.run([...asked, ...flags]);
    expect(code).toBe(2);
    expect(stderr).not.toContain("PRIVATE KEY");
  }
});

test("a command in a hint has FILE where the CA bundle was given as text", async () => {
  await using issuing = await startIssuing();
  const root = await readFile(join(issuing.state, "..", "ca.pem"), "utf8");
  const server = issuing.ca.directoryUrl;
  const { stderr } = await issuing.run([
    "account",
    "show",
    "--server",
    server,
    "--ca-bundle",
    root,
  ]);
  expect(stderr.replaceAll(/\s+/g, " ")).toContain(
    `acmectl account register --server ${server} --ca-bundle FILE --agree-tos`,
  );
  expect(stderr).not.toContain("BEGIN CERTIFICATE");
});
