import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { placeOf } from "../../../src/state/postgres/place.ts";
import { schemaCheck } from "../../../src/state/postgres/schema.ts";
import { isStateUrl, withoutPassword } from "../../../src/state/url.ts";
import { temporaryFolder } from "../../support/state.ts";
import { never } from "../state.ts";

async function look(url: string, env: Record<string, string> = {}) {
  const [masked, warnings]: [string[], string[]] = [[], []];
  const log = { debug() {}, info() {}, warn: (message: string) => void warnings.push(message) };
  const mask = (secret: string) => void masked.push(secret);
  const tools = {
    log,
    mask,
    clock: systemClock,
    env: { USER: "ops", ...env },
    cwd: "/",
    signal: never,
  };
  return { ...(await placeOf(url, tools)), masked, warnings };
}

test("a URL is completed by the variables of libpq", async () => {
  expect(await look("postgres://ada@db.example.com:5433/state")).toMatchObject({
    where: "postgres://ada@db.example.com:5433/state",
    host: "db.example.com",
    port: 5433,
    user: "ada",
    database: "state",
    password: undefined,
  });
  const env = { PGHOST: "h", PGPORT: "1", PGUSER: "u", PGDATABASE: "d", PGPASSWORD: "p" };
  expect(await look("postgresql://", env)).toMatchObject({
    where: "postgres://u@h:1/d",
    password: "p",
  });
  expect(await look("postgres://localhost")).toMatchObject({ user: "ops", database: "ops" });
});

test("addresses and sockets are hosts", async () => {
  expect((await look("postgres://[::1]:5433/state")).where).toBe("postgres://ops@[::1]:5433/state");
  const socket = await look("postgres://ada@/state?host=/run/postgresql");
  expect(socket).toMatchObject({ host: "/run/postgresql", user: "ada", tls: false });
  expect(await look(socket.where)).toMatchObject({ host: "/run/postgresql", where: socket.where });
});

test("a password is taken from the URL, also by reference, and masked", async () => {
  for (const url of [
    "postgres://ada:s%40cret@h/d",
    "postgres://ada:env:DB@h/d",
    "postgres://ada@h/d?password=env:DB",
  ]) {
    const found = await look(url, { DB: "s@cret" });
    expect(found).toMatchObject({ password: "s@cret", masked: ["s@cret"] });
    expect(found.where).toBe("postgres://ada@h:5432/d");
  }
});

describe("files", () => {
  async function folderOfTest() {
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    return folder.path;
  }

  test("the password file gives the first line that fits, unless others may read it", async () => {
    const home = await folderOfTest();
    const path = join(home, ".pgpass");
    const lines = ["# comment", "other:*:*:*:no", "h:5432:d:ada:a\\:b\\\\c", "*:*:*:*:any"];
    await writeFile(path, lines.join("\n"), { mode: 0o600 });
    expect((await look("postgres://ada@h/d", { HOME: home })).password).toBe("a:b\\c");
    expect((await look("postgres://bob@h/d", { PGPASSFILE: path })).password).toBe("any");
    await chmod(path, 0o644);
    const open = await look("postgres://ada@h/d", { HOME: home });
    expect(open.password).toBeUndefined();
    expect(open.warnings).toEqual([expect.stringContaining("other users may read it")]);
  });

  test("a service gives what the URL leaves open", async () => {
    const path = join(await folderOfTest(), "services");
    await writeFile(
      path,
      "[a]\nhost=no\n\n[b]\nhost = db.example.com\nuser=ada\ndbname=state\n[c]\n",
    );
    const env = { PGSERVICEFILE: path, PGHOST: "not-this" };
    expect((await look("postgres://?service=b", env)).where).toBe(
      "postgres://ada@db.example.com:5432/state?service=b",
    );
    await expect(look("postgres://", { ...env, PGSERVICE: "x" })).rejects.toThrow(/no service x/);
  });
});

test("the connection is encrypted and verified unless the host is this one", async () => {
  for (const local of ["localhost", "127.0.0.1", "[::1]"])
    expect((await look(`postgres://${local}/d`)).tls).toBe(false);
  expect((await look("postgres://h/d")).tls).toMatchObject({ host: "h", rejectUnauthorized: true });
  expect((await look("postgres://h/d?sslmode=require")).tls).toMatchObject({
    rejectUnauthorized: false,
  });
  expect((await look("postgres://h/d?sslmode=disable")).tls).toBe(false);
  await expect(look("postgres://h/d?sslmode=prefer")).rejects.toThrow(/sslmode "prefer" is not/);
});

test("with sslmode=require and a root certificate the server's certificate is verified", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "root.pem");
  await writeFile(path, "a root");
  const { tls } = await look(`postgres://h/d?sslmode=require&sslrootcert=${path}`);
  expect(tls).toMatchObject({ ca: "a root", rejectUnauthorized: true });
});

test("a URL that cannot be used is a Problem without its password", async () => {
  for (const url of [
    "postgres://u:sec/ret@h",
    "postgres://u:secret@h:99999/d",
    "postgres://u:secret@h,i/d?target_session_attrs=standby",
    "postgres://u:secret@h/d?secret=1",
    "postgres://u:secret@%/d",
  ]) {
    const problem: unknown = await look(url).catch((error: unknown) => error);
    expect(problem).toMatchObject({ exitCode: 2, message: expect.stringMatching(/is not usable/) });
    expect(String(problem)).not.toMatch(/sec.?ret@/);
  }
});

test("of several hosts each is a place to try", async () => {
  const found = await look("postgres://u@h:5433,i/d?target_session_attrs=read-write");
  expect([found, ...(found.others ?? [])]).toMatchObject([
    { host: "h", port: 5433, user: "u", database: "d" },
    { host: "i", port: 5432, user: "u", database: "d" },
  ]);
  expect(found.where).toBe("postgres://u@h:5433,i:5432/d?target_session_attrs=read-write");
});

test("a URL is shown without its password", () => {
  expect(withoutPassword("postgres://u:secret@h/d?sslmode=require")).toBe(
    "postgres://u@h/d?sslmode=require",
  );
  expect(withoutPassword("postgres://u@h/d?password=secret")).toBe("postgres://u@h/d");
  expect(withoutPassword("postgres://u:sec/r:et@h/d")).toBe("postgres://u@h/d");
  expect(withoutPassword("/srv/a:b@c")).toBe("/srv/a:b@c");
  expect([isStateUrl("PostgreSQL://h"), isStateUrl("/postgres://")]).toEqual([true, false]);
});

test("a server that is too old is refused", async () => {
  const rows = async <T>() => [{ server: 120_017, present: false }] as T[];
  const database = { where: "postgres://h/d", rows };
  await expect(schemaCheck(database)()).rejects.toThrow(/of version 12; acmectl needs 13 or newer/);
});
