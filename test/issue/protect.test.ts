import { readdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { temporaryFolder } from "../support/state.ts";

const [a, b, c] = ["a.example.test", "b.example.test", "c.example.test"];

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
    expect(refused.stderr).toContain(`The certificate ${a} is held for ${b} too`);
    expect(refused.stderr).toContain(`--name ${a}`);
    expect(issuing.ca.requests).toHaveLength(before);
    const named = await issuing.issue(["-d", `${a},${c}`, "--name", a]);
    expect(named.code).toBe(0);
    expect(named.stdout).toContain(`(added: ${c})`);
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

describe("another way to prove the names of a good certificate", () => {
  test("is tried before renewals use it, and what changed is reported", async () => {
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
  expect(other.stderr).toContain(
    `acmectl account update --server ${issuing.ca.directoryUrl} --email new@example.com`,
  );
  const same = await issuing.issue(["-d", c, "-m", "old@example.com"]);
  expect(same.stderr).not.toContain("account update");
});

test("a dry run of a private CA's certificate rehearses without its profile, keeps nothing, and says what it cannot know", async () => {
  await using issuing = await startIssuing();
  expect((await issuing.issue(["-d", a, "--profile", "tlsserver"])).code).toBe(0);
  const before = await readdir(issuing.state, { recursive: true });
  const ran = await issuing.run(["renew", "--dry-run", "--json"]);
  expect({ code: ran.code, stderr: ran.stderr }).toMatchObject({ code: 0 });
  expect(ran.stderr).toContain("profile, chain, CAA records and limits there are not checked");
  expect(await readdir(issuing.state, { recursive: true })).toEqual(before);
});
