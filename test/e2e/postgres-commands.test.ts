import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { hasPostgres, startPostgres, type Postgres } from "../support/servers/postgres.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const day = 86_400_000;

describe.skipIf(!hasPostgres())("acmectl --state postgres://", () => {
  let server: Postgres;
  let issuing: Issuing;
  /** Of the CA's clock. */
  let behind = 0;
  beforeAll(async () => {
    server = await startPostgres();
    issuing = await startIssuing({ now: () => new Date(Date.now() - behind) });
  });
  afterAll(async () => {
    await issuing[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  /** A host with a state of its own in the database. */
  async function newHost() {
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const database = await server.createDatabase();
    const url = server.url(database);
    const files = join(folder.path, "files");
    const env = {
      HOME: folder.path,
      PGPASSWORD: server.password,
      ACMECTL_STATE: url.replace(`:${server.password}@`, "@"),
      ACMECTL_STATE_FILES: files,
      ACMECTL_STATE_KEY: randomBytes(32).toString("base64"),
    };
    // What is in a database is not seen by the invariants.
    const goal = { "exit code 0 means that the goal is met": "the state is in a database" };
    const run = (...words: string[]) =>
      acmectl(words, { env, excused: words.includes("--state") ? {} : goal }).ended;
    const [, , ...ca] = issuing.words.filter(
      (word) => word !== "--state" && word !== issuing.state,
    );
    const solver = ["--solver", "standalone", "--standalone-port", `${issuing.httpPort}`];
    const at = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`];
    const directory = issuing.words.slice(0, 2);
    const issue = (...words: string[]) =>
      run("issue", ...words, ...directory, ...ca, ...solver, ...at);
    const folderState = join(folder.path, "state");
    return { run, issue, env, files, folderState, database };
  }
  const orders = () => issuing.ca.requests.filter(({ path }) => path.endsWith("/new-order")).length;

  test("issue, list, status, renew and state check work, and files are written for servers", async () => {
    const host = await newHost();
    const early = await host.issue("-d", "a.example.test");
    expect(early).toMatchObject({ code: 3 });
    expect(early.stderr).toMatch(
      /no acmectl tables yet[^]*Create them: acmectl state init --state/,
    );
    expect(await host.run("state", "init")).toMatchObject({ code: 0, stdout: /GRANT USAGE/ });

    const issued = await host.issue("-d", "a.example.test");
    expect(issued, issued.stderr).toMatchObject({ code: 0 });
    const key = join(host.files, "certificates/a.example.test/current/privkey.pem");
    expect(await readFile(key, "utf8")).toContain("PRIVATE KEY");
    expect((await host.run("list")).stdout).toContain("a.example.test");
    expect((await host.run("status", "--check")).code).toBe(0);
    expect((await host.run("renew")).stdout).toContain("Nothing is due");
    expect((await host.run("state", "check")).stdout).toContain("Found no damage in postgres://");
    expect(await server.dump(host.database)).not.toContain("PRIVATE KEY");
  });

  test("two processes that renew at once order each certificate once", async () => {
    const host = await newHost();
    await host.run("state", "init");
    behind = 80 * day;
    const issued = await host.issue("-d", "b.example.test");
    expect(issued, issued.stderr).toMatchObject({ code: 0 });
    behind = 0;
    // A certificate that was just issued is not renewed.
    const at = new Date(Date.now() - 80 * day).toISOString();
    await server.query(
      host.database,
      `UPDATE acmectl.versions SET meta = (meta::jsonb || '{"issuedAt":"${at}"}')::json`,
    );
    const before = orders();
    const runs = await Promise.all([1, 2].map(() => host.run("renew", "--no-jitter")));
    for (const ran of runs) expect(ran, ran.stderr).toMatchObject({ code: 0 });
    expect(orders() - before).toBe(1);
    const rows = await server.query(host.database, "SELECT held FROM acmectl.certificates");
    expect(rows).toEqual([{ held: 2 }]);
  });

  test("state copy brings a folder into the database and back", async () => {
    const host = await newHost();
    const { ACMECTL_STATE: url } = host.env;
    const inFolder = ["--state", host.folderState];
    const issued = await host.issue("-d", "c.example.test", ...inFolder);
    expect(issued, issued.stderr).toMatchObject({ code: 0 });
    await host.run("state", "init");
    const copied = await host.run("state", "copy", host.folderState, url);
    expect(copied, copied.stderr).toMatchObject({ code: 0 });
    expect(copied.stdout).toMatch(/Copied \d of \d items from .* to postgres:.*/);
    expect((await host.run("state", "copy", host.folderState, url, "--json")).stdout).toContain(
      '"outcome": "unchanged"',
    );
    const before = orders();
    const again = await host.issue("-d", "c.example.test");
    expect(again.stdout, again.stderr).toContain("nothing was done");
    expect(orders()).toBe(before);

    const back = join(host.folderState, "..", "back");
    expect((await host.run("state", "copy", url, back)).code).toBe(0);
    expect((await host.run("state", "check", "--state", back)).code).toBe(0);
    expect(existsSync(join(back, "certificates/c.example.test/current/privkey.pem"))).toBe(true);
    const wrong = await host.run("state", "copy", url, url);
    expect(wrong).toMatchObject({ code: 2 });
  });

  test("a password in the URL is in no output", async () => {
    const host = await newHost();
    const url = server.url("nowhere");
    const ran = await host.run("list", "--verbose", "--state", url);
    expect(ran.code).toBe(3);
    expect(ran.stdout + ran.stderr).not.toContain(server.password);
  });
});
