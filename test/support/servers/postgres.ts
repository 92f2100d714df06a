/** PostgreSQL as an ordinary process on a loopback port, with a data folder of its own. It refuses to run as root. */
import { execFile } from "node:child_process";
import { chown, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { randomUUID } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Client } from "pg";
import { available, find, program } from "./catalog.ts";
import { asUser, freePort, startProcess, type RunningProcess } from "./process.ts";
import { makeTls, type Tls } from "./tls.ts";

const run = promisify(execFile);

export interface Postgres extends AsyncDisposable {
  readonly port: number;
  readonly tls: Tls | undefined;
  /** The administrator's password. */
  readonly password: string;
  /** As the administrator, or as another user. */
  url(database: string, user?: { name: string; password: string }): string;
  /** A new, empty database; answers its name. */
  createDatabase(): Promise<string>;
  query(database: string, sql: string): Promise<readonly Record<string, unknown>[]>;
  /** As SQL. */
  dump(database: string): Promise<string>;
  stop(): Promise<void>;
  start(): Promise<void>;
  /** Ends the connections of clients to a database, as an administrator does. */
  terminate(database: string): Promise<void>;
}

/** False, with the reason on stderr, where it cannot be started. */
export function hasPostgres(): boolean {
  if (!available("postgres")) return false;
  if (process.getuid?.() !== 0 || find("setpriv") !== undefined) return true;
  process.stderr.write("skipped: tests with postgres (it refuses root, and setpriv is missing)\n");
  return false;
}

export interface PostgresSettings {
  readonly tls?: boolean;
  /** Further settings, e.g. `fsync=on`. */
  readonly settings?: readonly string[];
}

export async function startPostgres({
  tls: withTls = false,
  settings = [],
}: PostgresSettings = {}): Promise<Postgres> {
  const folder = await mkdtemp(join(tmpdir(), "postgres-"));
  const user = process.getuid?.() === 0 ? nobody : undefined;
  const password = randomUUID();
  const data = join(folder, "data");
  const tls = withTls ? await makeTls(folder) : undefined;
  await writeFile(join(folder, "password"), password);
  if (user !== undefined)
    for (const path of [folder, ...(await readdir(folder)).map((name) => join(folder, name))])
      await chown(path, user, user);
  await initialize(data, join(folder, "password"), user);
  const port = await freePort();
  const args = argumentsOf({ data, port, tls }, settings);
  const start = () =>
    startProcess({
      program: "postgres",
      args,
      cwd: folder,
      uid: user,
      stop: "SIGINT",
      ready: () => answers(urlOf("postgres")),
    });
  const urlOf = (database: string, as = { name: "postgres", password }) =>
    `postgres://${as.name}:${as.password}@127.0.0.1:${port}/${database}`;
  const query: Postgres["query"] = async (database, sql) => queryAt(urlOf(database), sql);
  let running: RunningProcess | undefined = await start();
  const stop = async () => {
    await running?.close();
    running = undefined;
  };
  return {
    port,
    tls,
    password,
    url: urlOf,
    query,
    async createDatabase() {
      const name = `state_${randomUUID().replaceAll("-", "")}`;
      await query("postgres", `CREATE DATABASE ${name}`);
      return name;
    },
    async dump(database) {
      const { file, env } = program("pg_dump");
      const options = { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 };
      return (await run(file, [urlOf(database)], options)).stdout;
    },
    stop,
    async start() {
      running ??= await start();
    },
    async terminate(database) {
      await query(
        "postgres",
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
      );
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface Standby extends AsyncDisposable {
  readonly port: number;
  query: Postgres["query"];
  /** Everything that the primary has written is here. */
  caughtUp(): Promise<void>;
}

/** A hot standby of a server, which can be promoted: `SELECT pg_promote()`. */
export async function startStandby(primary: Postgres): Promise<Standby> {
  const folder = await mkdtemp(join(tmpdir(), "postgres-"));
  const user = process.getuid?.() === 0 ? nobody : undefined;
  if (user !== undefined) await chown(folder, user, user);
  const data = join(folder, "data");
  const { file, env } = program("pg_basebackup");
  const from = ["-h", "127.0.0.1", "-p", `${primary.port}`, "-U", "postgres"];
  const args = [...from, "-D", data, "-R", "-X", "stream", "-c", "fast", "--no-sync"];
  const options = {
    env: { ...process.env, ...env, PGPASSWORD: primary.password },
    cwd: tmpdir(),
  };
  if (user === undefined) await run(file, args, options);
  else await run("setpriv", [...asUser(user), "--", file, ...args], options);
  const port = await freePort();
  const url = (database: string) => primary.url(database).replace(`:${primary.port}/`, `:${port}/`);
  const running = await startProcess({
    program: "postgres",
    args: argumentsOf({ data, port, tls: primary.tls }, []),
    cwd: folder,
    uid: user,
    stop: "SIGINT",
    ready: () => answers(url("postgres")),
  });
  const query: Postgres["query"] = async (database, sql) => queryAt(url(database), sql);
  return {
    port,
    query,
    async caughtUp() {
      const [at] = await primary.query(
        "postgres",
        "SELECT pg_current_wal_flush_lsn()::text AS lsn",
      );
      const sql = `SELECT pg_last_wal_replay_lsn() >= '${String(at?.["lsn"])}' AS done`;
      while ((await query("postgres", sql))[0]?.["done"] !== true) await sleep(20);
    },
    async [Symbol.asyncDispose]() {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The user and the group of this id own nothing. */
const nobody = 65_534;

async function initialize(data: string, passwordFile: string, user: number | undefined) {
  const { file, env } = program("initdb");
  const flags = ["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"];
  const args = [...flags, "--pwfile", passwordFile, "-D", data];
  const options = { env: { ...process.env, ...env }, cwd: tmpdir() };
  if (user === undefined) await run(file, args, options);
  else await run("setpriv", [...asUser(user), "--", file, ...args], options);
}

interface Place {
  readonly data: string;
  readonly port: number;
  readonly tls: Tls | undefined;
}

function argumentsOf({ data, port, tls }: Place, settings: readonly string[]): string[] {
  const all = [
    "listen_addresses=127.0.0.1",
    `port=${port}`,
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=16MB",
    // Tests about durability say otherwise.
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    ...(tls === undefined
      ? []
      : ["ssl=on", `ssl_cert_file=${tls.certificateFile}`, `ssl_key_file=${tls.keyFile}`]),
    ...settings,
  ];
  return ["-D", data, ...all.flatMap((setting) => ["-c", setting])];
}

async function answers(url: string): Promise<boolean> {
  await queryAt(url, "SELECT 1");
  return true;
}

async function queryAt(url: string, sql: string): Promise<readonly Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return rows;
  } finally {
    await client.end();
  }
}
