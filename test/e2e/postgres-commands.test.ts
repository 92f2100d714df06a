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

  test("a password in the URL is in no output", async () => {
    const host = await newHost();
    const url = server.url("nowhere");
    const ran = await host.run("list", "--verbose", "--state", url);
    expect(ran.code).toBe(3);
    expect(ran.stdout + ran.stderr).not.toContain(server.password);
  });
});
