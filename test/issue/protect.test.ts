import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

const [a, b, c] = ["a.example.test", "b.example.test", "c.example.test"];

async function filesIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((one) => !one.isDirectory()).map((one) => join(one.parentPath, one.name));
}

async function shown(issuing: Issuing, name: string) {
  const { stdout } = await issuing.run(["status", name, "--json"]);
  return JSON.parse(stdout) as {
    certificates: { identifiers: { value: string }[]; request: { solvers: { use: string }[] } }[];
  };
}

describe("names of a certificate that is held", () => {
  test("are not dropped by a request that hits it by its derived name", async () => {
    await using issuing = await startIssuing();
    expect((await issuing.issue(["-d", `${a},${b}`])).code).toBe(0);
    const before = issuing.ca.requests.length;
    const refused = await issuing.issue(["-d", `${a},${c}`]);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain(`The certificate ${a} also names ${b}`);
    expect(refused.stderr).toContain(`--name ${a}`);
    expect(issuing.ca.requests).toHaveLength(before);
    const named = await issuing.issue(["-d", `${a},${c}`, "--name", a]);
    expect(named.code).toBe(0);
    expect(named.stdout).toContain(`(added: ${c}; dropped: ${b})`);
  });

  test("are dropped when the person at the terminal agrees", async () => {
    await using issuing = await startIssuing();
    expect((await issuing.issue(["-d", `${a},${b}`])).code).toBe(0);
    const no = await issuing.issue(["-d", a], { stdin: "n\n", terminal: true });
    expect(no.code).toBe(2);
    expect(no.stderr).toContain(`Drop ${b} from it?`);
    expect((await issuing.issue(["-d", a], { stdin: "y\n", terminal: true })).code).toBe(0);
  });
});

describe("the terms of service of a CA", () => {
  test("are shown and asked about at a terminal, and no account is registered after a no", async () => {
    const termsOfService = "https://ca.example/terms";
    await using issuing = await startIssuing({ termsOfService });
    const place = `127.0.0.1:${issuing.httpPort}`;
    const proof = ["--standalone", "--standalone-port", String(issuing.httpPort)];
    const words = ["issue", "-d", a, ...proof, "--self-check-at", place];
    const where = issuing.words.slice(0, 4);
    const answer = (stdin: string) => issuing.run([...words, ...where], { stdin, terminal: true });
    const no = await answer("n\n");
    expect(no.code).toBe(2);
    expect(no.stderr).toContain(`: ${termsOfService}\nDo you agree? [y/N]`);
    expect(issuing.ca.requests.filter(({ kind }) => kind === "newAccount")).toEqual([]);
    expect((await answer("y\n")).code).toBe(0);
  });
});

describe("another way to prove the names of a good certificate", () => {
  test("another way to prove the names is rehearsed and reported before renewals use it", async () => {
    await using issuing = await startIssuing();
    await using folder = await temporaryFolder();
    expect((await issuing.issue(["-d", a])).code).toBe(0);
    const missing = ["--webroot", join(folder.path, "missing")];
    const failed = await issuing.issue(["-d", a], { solver: missing });
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain("renewals keep the old one");
    expect((await shown(issuing, a)).certificates[0]?.request.solvers[0]?.use).toBe("standalone");
    const web = createServer((request, response) => {
      import("node:fs/promises")
        .then(({ readFile }) => readFile(join(folder.path, request.url ?? "")))
        .then(
          (body) => response.end(body),
          () => response.writeHead(404).end(),
        );
    });
    await new Promise<void>((resolve) => web.listen(issuing.httpPort, "127.0.0.1", resolve));
    const tried = await issuing.issue(["-d", a], { solver: ["--webroot", folder.path] });
    await new Promise((resolve) => web.close(resolve));
    expect(tried.code).toBe(0);
    expect(tried.stdout).toContain("renewals now use webroot instead of standalone");
    expect((await shown(issuing, a)).certificates[0]?.request.solvers[0]?.use).toBe("webroot");
  });
});

test("changed settings of a good certificate are reported", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", a])).code).toBe(0);
  const changed = await issuing.issue(["-d", a, "--reuse-key", "--labels", "team=shop"]);
  expect(changed.stdout).toContain(
    "exists already; renewals now use the changed key reuse, labels",
  );
  const hooked = await issuing.issue(["-d", a, "--deploy-hook", "true"]);
  expect(hooked.stdout.replaceAll(/\s+/g, " ")).toContain(
    "renewals now use the changed key reuse, labels, hooks and deploy steps, and its deploy steps were repeated",
  );
  expect((await issuing.issue(["-d", a, "--deploy-hook", "true"])).stdout).toContain(
    "nothing was done",
  );
});

test("a first issue that failed is remembered by name alone: list, renew and status --check do not count it", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", b])).code).toBe(0);
  const refusal = { problem: { type: "rejectedIdentifier", detail: "not this one" } };
  issuing.ca.faults.add({ on: "newOrder", times: Infinity, do: refusal });
  expect((await issuing.issue(["-d", a])).code).toBe(5);
  expect((await issuing.run(["list"])).stdout).not.toContain(a);
  expect((await issuing.run(["renew"])).code).toBe(0);
  expect((await issuing.run(["status", "--check"])).code).toBe(0);
  expect((await issuing.run(["status", a])).stdout).toContain("not this one");
});

test("an email address that the account does not have is reported with the command that changes it", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", a, "-m", "old@example.com"])).code).toBe(0);
  const other = await issuing.issue(["-d", b, "-m", "new@example.com"]);
  expect(other.code).toBe(0);
  expect(other.stderr).toContain("old@example.com");
  const [, suggested = ""] = /acmectl account update (.*)/u.exec(other.stderr) ?? [];
  const flags = [...issuing.words.slice(0, -1), "--email", "new@example.com"];
  expect(suggested.split(" ").toSorted()).toEqual(flags.toSorted());
  const same = await issuing.issue(["-d", c, "-m", "old@example.com"]);
  expect(same.stderr).not.toContain("account update");
});

test("a dry run of a private CA's certificate rehearses without its profile, keeps nothing, and says what it cannot know", async () => {
  // The embedded CA, which rehearses, does not have this profile.
  const internal = { description: "of this CA alone", validity: 30 * 86_400_000 };
  await using issuing = await startIssuing({ profiles: { internal } });
  expect((await issuing.issue(["-d", a, "--profile", "internal"])).code).toBe(0);
  // The index is not a record: it is written whenever a certificate's files are old enough to be trusted.
  const records = async () =>
    (await readdir(issuing.state, { recursive: true })).filter((path) => path !== "index.json");
  const before = await records();
  const ran = await issuing.run(["renew", "--dry-run", "--json"]);
  expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 0 });
  expect(ran.stderr).toContain("profile, chain, CAA records and limits there are not checked");
  expect(await records()).toEqual(before);
});

describe("--dry-run=authorizations", () => {
  const rehearsal = "--dry-run=authorizations";
  const urlsOf = (issuing: Issuing) => {
    const read = issuing.ca.requests.filter(({ kind }) => kind === "authz");
    return [...new Set(read.map(({ path }) => path))];
  };

  async function withAccount(options = {}) {
    const issuing = await startIssuing(options);
    const words = issuing.words.filter((word) => !["--state", issuing.state].includes(word));
    expect((await issuing.run(["account", "register", ...words])).code).toBe(0);
    return issuing;
  }

  test("--dry-run=authorizations proves the names to the CA, issues nothing and leaves no valid authorization", async () => {
    await using issuing = await withAccount();
    const before = await filesIn(issuing.state);
    const ran = await issuing.issue(["-d", `${a},${b}`, rehearsal, "--json"]);
    expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 0 });
    expect(JSON.parse(ran.stdout)).toMatchObject({
      outcome: "dry-run",
      certificates: [{ name: a, outcome: "dry-run" }],
    });
    expect(await filesIn(issuing.state)).toEqual(before);
    const kinds = issuing.ca.requests.map(({ kind }) => kind);
    expect(kinds).not.toContain("finalize");
    const proofs = () => issuing.ca.requests.filter(({ kind }) => kind === "challenge").length;
    expect(proofs()).toBe(2);
    const deactivated = issuing.ca.requests.filter(
      ({ payload }) => JSON.stringify(payload) === '{"status":"deactivated"}',
    );
    expect(deactivated.map(({ path }) => path).toSorted()).toEqual(urlsOf(issuing).toSorted());
    // This CA uses valid authorizations again, so a proof that was left would spare one now.
    expect((await issuing.issue(["-d", `${a},${b}`])).code).toBe(0);
    expect(proofs()).toBe(4);
  });

  test("--dry-run=authorizations keeps authorizations that were valid before", async () => {
    await using issuing = await withAccount();
    expect((await issuing.issue(["-d", a])).code).toBe(0);
    const ran = await issuing.issue(["-d", a, rehearsal]);
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining(`authorizes ${a}`) });
    expect(ran.stderr).toContain("asks for no further proof");
    const proofs = () => issuing.ca.requests.filter(({ kind }) => kind === "challenge").length;
    const sofar = proofs();
    expect((await issuing.issue(["-d", a, "--force"])).code).toBe(0);
    expect(proofs()).toBe(sofar);
  });

  test("--dry-run=authorizations reports what the CA refuses and stores no failure", async () => {
    await using issuing = await withAccount();
    const before = await filesIn(issuing.state);
    const port = String(await freePort());
    const solver = ["--solver", "standalone", "--standalone-port", port, "--no-self-check"];
    const failed = await issuing.issue(["-d", a, rehearsal], { solver });
    expect(failed.code).toBe(7);
    issuing.ca.faults.add({ on: "newOrder", do: { problem: { type: "rejectedIdentifier" } } });
    const refused = await issuing.issue(["-d", b, rehearsal]);
    expect(refused.code).toBe(5);
    expect(await filesIn(issuing.state)).toEqual(before);
  });

  test("--dry-run=authorizations needs an account and registers none", async () => {
    await using issuing = await startIssuing();
    const ran = await issuing.issue(["-d", a, rehearsal]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(`acmectl account register --server ${issuing.ca.directoryUrl}`);
    expect(issuing.ca.requests.map(({ kind }) => kind)).not.toContain("newAccount");
  });

  test("renew --dry-run=authorizations uses the CA and the profile of the certificate", async () => {
    await using issuing = await startIssuing();
    expect((await issuing.issue(["-d", a, "--profile", "tlsserver"])).code).toBe(0);
    const count = () => issuing.ca.requests.filter(({ kind }) => kind === "newOrder");
    const ran = await issuing.run(["renew", rehearsal]);
    expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 0 });
    expect(ran.stdout).toContain(`the CA authorizes ${a}. No certificate was issued.`);
    expect(count()).toHaveLength(2);
    expect(count()[1]?.payload).toMatchObject({ profile: "tlsserver" });
    expect(count()[1]?.payload).not.toHaveProperty("replaces");
  });

  test("--dry-run=authorizations is refused for a CA with a staging environment, before any request", async () => {
    await using issuing = await startIssuing();
    const words = ["--server", "letsencrypt", "-d", "a.example.com", rehearsal];
    const ran = await issuing.issue(words);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("counts toward the limits");
    expect(ran.stderr).toContain("Use --dry-run alone");
  });

  test("--dry-run=authorizations is refused for the embedded CA, before it starts", async () => {
    await using issuing = await startIssuing();
    const ran = await issuing.issue(["--server", "local", "-d", a, rehearsal]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain("Use --dry-run alone");
    expect(await readdir(issuing.state).catch(() => [])).toEqual([]);
  });

  test("--dry-run takes no value but authorizations", async () => {
    await using issuing = await startIssuing();
    const ran = await issuing.issue(["-d", a, "--dry-run=all"]);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(
      "Write --dry-run alone, --dry-run=authorizations, or --no-dry-run",
    );
    const byVariable = await issuing.issue(["-d", a], { env: { ACMECTL_DRY_RUN: "all" } });
    expect(byVariable.stderr).toContain("one of true, false, authorizations");
  });
});
