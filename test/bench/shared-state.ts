/** States in PostgreSQL: what a run costs that has nothing to do, and how much faster four workers are than one. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { startDnsServer } from "../support/dns-server.ts";
import { startPebble } from "../support/servers/pebble.ts";
import { startPostgres, type Postgres } from "../support/servers/postgres.ts";
import { freePort } from "../support/servers/process.ts";
import { acmectl } from "./clients.ts";
import { measure, table, type Program } from "./measure.ts";

const stored = 100_000;
const due = Number(process.env["BENCH_DUE"] ?? 1_000);
/** Of validation, in seconds. */
const validation = 2;

export const sharedTitles = {
  noneDue: "Many certificates in PostgreSQL, none due",
  workers: `Due certificates in PostgreSQL, one worker and four, validated after ${validation} s`,
};

/** The driver that acmectl uses, and one statement. */
const selectOne = `import pg from ${JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve("pg")).href)};
const client = new pg.Client({ connectionString: process.argv[1] });
await client.connect();
await client.query("SELECT 1");
await client.end();`;

export async function noneDueInPostgres(root: string, rounds: number): Promise<string> {
  const folder = await mkdtemp(join(root, "shared-"));
  await using server = await startPostgres();
  const { database, url, env } = await newState(server, folder);
  await run(["issue", "-n", "-d", name, "--server", "local", ...(await standalone())], env);
  await copies(server, database, stored, ["now() + interval '30 days'", "NULL"]);
  const bare = [process.execPath, "--input-type=module", "-e", selectOne, url];
  const programs: Program[] = [
    { name: "`SELECT 1`", prepare: () => bare },
    {
      name: `\`renew\`, ${stored.toLocaleString("en")} certificates`,
      env,
      prepare: () => [...acmectl, "renew", "--no-jitter"],
    },
  ];
  await run(["renew", "--no-jitter"], env);
  return table(await measure(programs, rounds));
}

export async function workersInPostgres(root: string, rounds: number): Promise<string> {
  const folder = await mkdtemp(join(root, "workers-"));
  await using server = await startPostgres();
  const template = await newState(server, folder);
  const records = [{ name: "*.example.test", type: "A", data: "127.0.0.1" } as const];
  const resolver = await startDnsServer({
    zones: [{ name: "test", records }],
    recursive: true,
    // Pebble asks for AAAA, then for A.
    mischief: () => ({ kind: "delay", milliseconds: 500 * validation }),
  });
  const httpPort = await freePort();
  const pebble = await startPebble({
    program: "pebble-2.9",
    dnsServer: resolver.server,
    httpPort,
    env: { PEBBLE_WFE_NONCEREJECT: "0", PEBBLE_AUTHZREUSE: "0" },
  });
  const ca = ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile, "--agree-tos"];
  const at = ["--self-check-at", `127.0.0.1:${httpPort}`];
  const workers = (count: number): Program & { env: Record<string, string> } => {
    const env = { ...template.env };
    return {
      name: `${count} × \`renew\`, ${due.toLocaleString("en")} certificates due`,
      env,
      async prepare() {
        const database = `${template.database}_${Math.random().toString(36).slice(2)}`;
        const sql = `CREATE DATABASE ${database} TEMPLATE ${template.database}`;
        await server.query("postgres", sql);
        env["ACMECTL_STATE"] = server.url(database);
        const renew = [...acmectl, "renew", "--no-jitter", "--quiet"].join(" ");
        const all = Array.from({ length: count }, () => `${renew} & all="$all $!"`).join("\n");
        return ["sh", "-c", `${all}\nfor one in $all; do wait $one || exit 1; done`];
      },
      beside: () => respond(env, httpPort),
    };
  };
  try {
    {
      await using _ = await respond(template.env, httpPort);
      const asked = ["-d", name, "--email", "bench@example.test", "--solver", "respond"];
      await run(["issue", "-n", ...asked, ...ca, ...at], template.env);
    }
    await server.query(template.database, expired);
    await copies(server, template.database, due - 1, ["'-infinity'", "'-infinity'"]);
    return table(await measure([workers(1), workers(4)], rounds));
  } finally {
    await pebble.close();
    await resolver.close();
  }
}

async function respond(env: Record<string, string>, port: number) {
  const [file = "", ...args] = acmectl;
  const words = [...args, "respond", "--http", `127.0.0.1:${port}`];
  const child = spawn(file, words, { env: { ...process.env, ...env }, stdio: "ignore" });
  const answers = async () => (await fetch(`http://127.0.0.1:${port}/`)).status === 404;
  while (!(await answers().catch(() => false))) await sleep(100);
  return {
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, "exit");
    },
  };
}

const name = "n0.example.test";

async function newState(server: Postgres, folder: string) {
  const database = await server.createDatabase();
  const url = server.url(database);
  const env: Record<string, string> = {
    HOME: folder,
    XDG_CACHE_HOME: join(folder, "cache"),
    ACMECTL_STATE: url,
    // A key that is encrypted for one certificate is not that of another.
    ACMECTL_STATE_UNENCRYPTED: "true",
    ACMECTL_STATE_FILES: join(folder, "files"),
  };
  await run(["state", "init"], env);
  return { database, url, env };
}

async function standalone() {
  return ["--standalone", "--standalone-port", `${await freePort()}`];
}

async function run(words: readonly string[], env: Record<string, string>): Promise<void> {
  const [file = "", ...args] = acmectl;
  await promisify(execFile)(file, [...args, ...words], { env: { ...process.env, ...env } });
}

/** By its dates, the one that is stored. */
const past = `'{"notBefore":"2026-01-01T00:00:00.000Z","notAfter":"2026-04-01T00:00:00.000Z","issuedAt":"2026-01-01T00:00:00.000Z"}'`;
const expired = `UPDATE acmectl.versions SET meta = (meta::jsonb || ${past})::json;
UPDATE acmectl.certificates SET due = '-infinity', look = '-infinity', status = '{"failures":0}'`;

/** Further certificates like the one that is stored, with these times of the index. */
async function copies(
  server: Postgres,
  database: string,
  count: number,
  [due, look]: readonly [string, string],
): Promise<void> {
  const named = (column: string) =>
    `replace(${column}::text, '${name}', 'n' || i || '.example.test')::json`;
  const series = `generate_series(1, ${count}) AS i`;
  await server.query(
    database,
    `UPDATE acmectl.certificates SET due = ${due}, look = ${look};
     INSERT INTO acmectl.certificates (name, request, status, revision, held, due, look)
     SELECT 'n' || i || '.example.test', ${named("request")}, status, 'r' || i, held, due, look
     FROM acmectl.certificates, ${series};
     INSERT INTO acmectl.versions (name, version, meta, certificate, chain, private_key, alternates)
     SELECT 'n' || i || '.example.test', version, ${named("meta")}, certificate, chain, private_key, alternates
     FROM acmectl.versions, ${series}`,
  );
  await server.query(database, "ANALYZE");
}
