import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandCases } from "../state/shared/commands.ts";
import { hasPostgres, startPostgres, type Postgres } from "../support/servers/postgres.ts";

describe.skipIf(!hasPostgres())("acmectl --state postgres://", () => {
  let server: Postgres;
  beforeAll(async () => {
    server = await startPostgres();
  });
  afterAll(() => server[Symbol.asyncDispose]());

  const newHost = commandCases(async () => {
    const database = await server.createDatabase();
    const url = server.url(database).replace(`:${server.password}@`, "@");
    const setIssuedAt = (_: string, at: string) =>
      server.query(
        database,
        `UPDATE acmectl.versions SET meta = (meta::jsonb || '{"issuedAt":"${at}"}')::json`,
      );
    const env = { PGPASSWORD: server.password };
    return { url, env, setIssuedAt, dump: () => server.dump(database) };
  }, /GRANT USAGE/);

  test("a command before `state init` prints how to create the tables", async () => {
    const host = await newHost();
    const early = await host.issue("-d", "a.example.test");
    expect(early).toMatchObject({ code: 3 });
    expect(early.stderr).toMatch(
      /no acmectl tables yet[^]*Create them: acmectl state init --state/,
    );
  });

  test("what is promised of every run is looked for in the database, too", async () => {
    const host = await newHost();
    await host.run("state", "init");
    const issued = await host.issue("-d", "d.example.test", "-d", "e.example.test");
    expect(issued, issued.stderr).toMatchObject({ code: 0 });
    const query = (sql: string) => server.query(new URL(host.url).pathname.slice(1), sql);
    await query(
      `UPDATE acmectl.versions SET private_key = replace(private_key, '.', '.a');
       INSERT INTO acmectl.solver_values VALUES ('cf', 'key', 'PRIVATE KEY');
       UPDATE acmectl.leases SET expires_at = now() + interval '1 hour' WHERE name LIKE 'certificate%';
       INSERT INTO acmectl.answers VALUES ('http-01', 'd.example.test', 't', 'c', now() + interval '1 hour')`,
    );
    await expect(host.run("list")).rejects.toThrow(
      /matching pair: version 1 of d\.example\.test[^]* in the table solver_values[^]* the lease certificate:[^]* an answer for d\./,
    );
    await query("UPDATE acmectl.certificates SET held = NULL");
    await expect(host.run("list")).rejects.toThrow(/never goes back: d\.example\.test/);
  });

  test("a password in the URL is in no output", async () => {
    const host = await newHost();
    const url = server.url("nowhere");
    const ran = await host.run("list", "--verbose", "--state", url);
    expect(ran.code).toBe(3);
    expect(ran.stdout + ran.stderr).not.toContain(server.password);
  });
});
