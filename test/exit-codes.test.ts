import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { defineCommand } from "../src/commands/command.ts";
import { systemClock } from "../src/clock.ts";
import { exitCodes } from "../src/problem.ts";
import { openFolderStore } from "../src/state/folder/folder.ts";
import { silentLog } from "../src/testing.ts";
import { startIssuing } from "./support/issuing.ts";
import { commandsOf, run } from "./support/run.ts";
import { freePort } from "./support/servers/process.ts";
import { temporaryFolder } from "./support/state.ts";

/** Every code of the table has a test here, or is produced by a signal in e2e/crash.test.ts. */
describe("exit codes", () => {
  test("0: the certificate was issued, or a good one exists", async () => {
    await using issuing = await startIssuing();
    expect((await issuing.issue(["-d", "ok.example.test"])).code).toBe(0);
    expect((await issuing.issue(["-d", "ok.example.test"])).code).toBe(0);
  });

  test("1: a bug asks for a report and prints no stack", async () => {
    const broken = defineCommand({
      name: "break",
      summary: "Breaks",
      options: {},
      run: () => Promise.reject(new TypeError("undefined is not a function")),
    });
    await using folder = await temporaryFolder();
    const { code, stderr } = await run("break", {
      env: { HOME: folder.path },
      parts: commandsOf(broken),
      excused: { "no words of the machine are shown": "the command has a bug" },
    });
    expect(code).toBe(1);
    expect(stderr).toContain("bug in acmectl");
    expect(stderr).not.toContain("    at ");
  });

  test.each([
    ["a URL instead of a name", ["-d", "https://example.test/"], "use example.test"],
    ["a name with a shell character", ["-d", "a;rm.example.test"], ";"],
    ["an empty label", ["-d", "a..example.test"], "empty label"],
    ["a wildcard that http-01 cannot prove", ["-d", "*.example.test"], "dns-01"],
    ["a contact that is no address", ["-d", "a.example.test", "-m", "nonsense"], "nonsense"],
    ["an unknown preset", ["-d", "a.example.test", "--server", "letsencrpt"], "letsencrypt"],
    ["an unknown option", ["-d", "a.example.test", "--forse"], "--force"],
    ["an unknown key type", ["-d", "a.example.test", "--key-type", "ec512"], "ec384"],
    ["half an external account binding", ["-d", "a.example.test", "--eab-kid", "x"], "--eab-hmac"],
  ])(
    "2: %s is told before any request is made and leaves nothing behind",
    async (_, words, told) => {
      await using issuing = await startIssuing();
      const { code, stderr } = await issuing.issue(words);
      expect(stderr).toContain(told);
      expect(code).toBe(2);
      expect(issuing.ca.requests).toEqual([]);
      await expect(
        openFolderStore(issuing.state, { log: silentLog, clock: systemClock }).certificates.names(),
      ).resolves.toEqual([]);
    },
  );

  test("2: an unknown solver is reported with the known ones", async () => {
    await using issuing = await startIssuing();
    const { code, stderr } = await issuing.issue(["-d", "a.example.test"], {
      solver: ["--solver", "standalon"],
    });
    expect(stderr).toContain("standalone");
    expect(code).toBe(2);
    expect(issuing.ca.requests).toEqual([]);
  });

  test("2: terms of service are not agreed to silently", async () => {
    await using issuing = await startIssuing({ termsOfService: "https://ca.example.test/terms" });
    const words = issuing.words.filter((word) => word !== "--agree-tos");
    const { code, stderr } = await run(
      [
        "issue",
        "-d",
        "a.example.test",
        "--solver",
        "standalone",
        "--standalone-port",
        String(issuing.httpPort),
        ...words,
      ],
      { env: { HOME: issuing.state } },
    );
    expect(stderr).toContain("https://ca.example.test/terms");
    expect(stderr).toContain("--agree-tos");
    expect(code).toBe(2);
    expect(issuing.ca.requests.filter(({ method }) => method === "POST")).toEqual([]);
  });

  test("3: a port in use is named", async () => {
    await using issuing = await startIssuing();
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(issuing.httpPort, resolve));
    try {
      const { code, stderr } = await issuing.issue(["-d", "a.example.test"]);
      expect(stderr).toContain(String(issuing.httpPort));
      expect(code).toBe(3);
      expect(issuing.ca.requests.filter(({ method }) => method === "POST")).toEqual([]);
    } finally {
      holder.close();
    }
  });

  test("3: a state folder that cannot be written to is named", async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, "state");
    await writeFile(file, "");
    const words = ["issue", "-d", "a.example.test", "--server", "local", "--state", file];
    const { code, stderr } = await run(words, { env: { HOME: folder.path } });
    expect(stderr).toContain(file);
    expect(code).toBe(3);
  });

  test("4: a CA that cannot be reached, and one with a root that is not trusted", async () => {
    await using issuing = await startIssuing();
    const dead = `https://127.0.0.1:${await freePort()}/directory`;
    const unreachable = await issuing.issue(["-d", "a.example.test", "--server", dead]);
    expect(unreachable.stderr).toContain("127.0.0.1");
    expect(unreachable.code).toBe(4);
    const words = ["--server", issuing.ca.directoryUrl, "--state", issuing.state, "--agree-tos"];
    const untrusted = await run(
      [
        "issue",
        "-d",
        "a.example.test",
        "--solver",
        "standalone",
        "--standalone-port",
        String(issuing.httpPort),
        ...words,
      ],
      { env: { HOME: issuing.state } },
    );
    expect(untrusted.stderr).toContain("--ca-bundle");
    expect(untrusted.code).toBe(4);
  });

  test("4: a server that does not speak ACME", async () => {
    await using issuing = await startIssuing();
    issuing.ca.faults.add({
      on: "directory",
      do: { status: 200, contentType: "text/html", body: "<html>It works!</html>" },
    });
    const { code, stderr } = await issuing.issue(["-d", "a.example.test"]);
    expect(stderr).toMatch(/ACME/);
    expect(code).toBe(4);
  });

  test("5: a refusal of the CA is printed in its words", async () => {
    await using issuing = await startIssuing();
    const problem = {
      type: "rejectedIdentifier",
      detail: "The name a.example.test is on a blocklist",
    };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 403, problem } });
    const { code, stderr } = await issuing.issue(["-d", "a.example.test"]);
    expect(stderr).toContain("The name a.example.test is on a blocklist");
    expect(code).toBe(5);
  });

  test("6: a rate limit has the time to retry", async () => {
    await using issuing = await startIssuing();
    const problem = { type: "rateLimited", detail: "too many certificates already issued" };
    issuing.ca.faults.add({ on: "newOrder", do: { status: 429, problem, retryAfter: 7_200 } });
    const { code, stdout } = await issuing.issue(["-d", "a.example.test", "--json"]);
    expect(code).toBe(6);
    const { retryAt } = (JSON.parse(stdout) as { problem: { retryAt: string } }).problem;
    expect(new Date(retryAt).getTime()).toBeGreaterThan(Date.now() + 7_000_000);
  });

  test("7: a name that the CA cannot validate", async () => {
    await using issuing = await startIssuing();
    const elsewhere = String(await freePort());
    const { code, stderr } = await issuing.issue(["-d", "a.example.test", "--no-self-check"], {
      solver: ["--solver", "standalone", "--standalone-port", elsewhere],
    });
    expect(stderr).toContain("a.example.test");
    expect(code).toBe(7);
  });

  test("7: the self-check finds a wrong response, and the CA is not asked", async () => {
    await using issuing = await startIssuing();
    const other = createHttpServer((_, response) =>
      response.writeHead(404, { server: "nginx" }).end(),
    );
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const { port } = other.address() as AddressInfo;
    try {
      const { code, stderr } = await issuing.issue([
        "-d",
        "a.example.test",
        "--self-check-at",
        `127.0.0.1:${port}`,
      ]);
      expect(stderr).toContain("nginx");
      expect(code).toBe(7);
      expect(issuing.ca.requests.map(({ kind }) => kind)).not.toContain("challenge");
    } finally {
      other.close();
    }
  });

  test("8: another run holds the lock", async () => {
    await using issuing = await startIssuing();
    const store = openFolderStore(issuing.state, { log: silentLog, clock: systemClock });
    const lock = await store.lock("certificate:a.example.test", {
      wait: 0,
      signal: new AbortController().signal,
    });
    try {
      const { code, stderr } = await issuing.issue(["-d", "a.example.test", "--no-wait"]);
      expect(stderr).toContain(String(process.pid));
      expect(code).toBe(8);
    } finally {
      await lock.release();
    }
  });

  test("10: with --detailed-exitcode something was issued", async () => {
    await using issuing = await startIssuing();
    expect((await issuing.issue(["-d", "a.example.test", "--detailed-exitcode"])).code).toBe(10);
    expect((await issuing.issue(["-d", "a.example.test", "--detailed-exitcode"])).code).toBe(0);
  });

  test("the help shows the whole table", async () => {
    const { stdout } = await run("help exit-codes", { env: { HOME: "/nonexistent" } });
    for (const [code, meaning] of Object.entries(exitCodes)) {
      expect(stdout).toContain(code);
      expect(stdout.replaceAll(/\s+/g, " ")).toContain(meaning);
    }
  });
});
