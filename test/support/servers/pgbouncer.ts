/** PgBouncer in transaction mode before a PostgreSQL server: each transaction gets another connection. */
import { chown, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import type { Postgres } from "./postgres.ts";
import { startProcess, withFreePort } from "./process.ts";

export interface PgBouncer extends AsyncDisposable {
  url(database: string): string;
}

export async function startPgBouncer(server: Postgres): Promise<PgBouncer> {
  return withFreePort((port) => start(server, port));
}

async function start(server: Postgres, port: number): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), "pgbouncer-"));
  const user = process.getuid?.() === 0 ? 65_534 : undefined;
  const [config, users] = [join(folder, "pgbouncer.ini"), join(folder, "users")];
  await writeFile(users, `"postgres" "${server.password}"\n`);
  await writeFile(
    config,
    `[databases]
* = host=127.0.0.1 port=${server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = 3
max_client_conn = 500
`,
  );
  if (user !== undefined) for (const path of [folder, config, users]) await chown(path, user, user);
  const url = (database: string) =>
    `postgres://postgres:${server.password}@127.0.0.1:${port}/${database}`;
  const running = await startProcess({
    program: "pgbouncer",
    args: [config],
    cwd: folder,
    uid: user,
    async ready() {
      const client = new Client({ connectionString: url("postgres") });
      await client.connect();
      await client.end();
      return true;
    },
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
