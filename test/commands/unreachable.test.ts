import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { freePort } from "../support/servers/process.ts";

const name = "a.example.test";

test.each(["127.0.0.1", "[::1]"])(
  "issue by http-01 warns that the resolver at %s is unreachable, and prints one document with --json",
  async (host) => {
    await using issuing = await startIssuing({ authorizationReuse: 0 });
    const resolver = `${host}:${await freePort()}`;
    const solver = ["--solver", "standalone", "--standalone-port", `${issuing.httpPort}`];
    const words = ["issue", "-d", name, ...solver, ...issuing.words, "--dns-resolvers", resolver];
    const issued = await issuing.run([...words, "--json"]);
    expect(issued.code).toBe(0);
    expect(JSON.parse(issued.stdout)).toMatchObject({ command: "issue", outcome: "issued" });
    expect(issued.stderr).toContain(
      `Warning: the self-check found no address for ${name}: No DNS resolver answers for the A records of ${name} (${resolver}: nothing listens there)`,
    );
    const problem = { type: "connection", detail: "connection refused" };
    issuing.ca.faults.add({ on: "challenge", do: { status: 403, problem } });
    const failed = await issuing.run([...words, "--json", "--force"]);
    expect(failed.code).toBe(5);
    expect(JSON.parse(failed.stdout)).toMatchObject({ command: "issue", outcome: "failed" });
    expect(failed.stderr).toContain("connection refused");
  },
);
