/** Statements and transactions. A connection that is lost in between is replaced, and the work done again. */
import { Pool, type PoolClient } from "pg";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../plugin.ts";
import { isConflict, isLost, problemOf } from "./faults.ts";
import type { DatabasePlace } from "./place.ts";

export interface Statements {
  /** The rows that one statement answers. It may be sent twice, so it must do no harm when it is. */
  rows<T extends object>(sql: string, values?: readonly unknown[]): Promise<readonly T[]>;
  /** How many rows one statement changed. */
  count(sql: string, values?: readonly unknown[]): Promise<number>;
}

export interface Database extends Statements {
  readonly where: string;
  /** All statements of `work`, or none. Runs again when the connection is lost, even if it had been committed: `work` finds out. */
  transaction<T>(work: (statements: Statements) => Promise<T>): Promise<T>;
  end(): Promise<void>;
}

/** Few, since many workers share the server. */
const connections = 4;
/** Milliseconds between tries, the first one and the longest: a restart of the server is over within. */
const [firstPause, longestPause] = [100, 6400];

export function openDatabase(
  place: DatabasePlace,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Database {
  const pool = poolOf(place);
  let wasReached = false;

  /** What was reached before may come back; what was never reached is reported at once. */
  async function surely<T>(work: () => Promise<T>): Promise<T> {
    for (let pause = firstPause; ; pause *= 2) {
      try {
        const result = await work();
        wasReached = true;
        return result;
      } catch (error) {
        const again = isConflict(error) || (wasReached && isLost(error));
        if (!again || pause > longestPause) throw problemOf(error, place);
        log.debug(`the connection to ${place.where} was lost; trying again`);
        await clock.sleep(pause, never);
      }
    }
  }

  return {
    where: place.where,
    ...statementsOf(pool, surely),
    transaction: (work) => surely(() => inTransaction(pool, work)),
    end: () => pool.end(),
  };
}

const never = new AbortController().signal;

function poolOf({ host, port, user, database, password, tls }: DatabasePlace): Pool {
  const pool = new Pool({
    host,
    port,
    user,
    database,
    // A function, so that `pg` does not look for a password itself.
    password: () => password ?? "",
    ssl: tls,
    application_name: "acmectl",
    max: connections,
    connectionTimeoutMillis: 15_000,
    query_timeout: 60_000,
    keepAlive: true,
    // A run ends when its work is done, not when its connections are.
    allowExitOnIdle: true,
  });
  // The next statement finds out.
  pool.on("error", ignore);
  return pool;
}

/** What sends them, and what is done around each. */
function statementsOf(
  sender: Pick<Pool, "query">,
  around: <T>(work: () => Promise<T>) => Promise<T>,
): Statements {
  return {
    rows: async <T extends object>(sql: string, values: readonly unknown[] = []) =>
      (await around(() => sender.query<T>(sql, [...values]))).rows,
    count: async (sql, values = []) =>
      (await around(() => sender.query(sql, [...values]))).rowCount ?? 0,
  };
}

async function inTransaction<T>(
  pool: Pool,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  // While it is in use, its loss is the failure of its statement.
  client.on("error", ignore);
  let isBroken = true;
  try {
    await client.query("BEGIN");
    const result = await rolledBackOnError(client, work);
    await client.query("COMMIT");
    isBroken = false;
    return result;
  } finally {
    client.off("error", ignore);
    // A connection in an unknown state is closed.
    client.release(isBroken);
  }
}

const ignore = () => undefined;

/** The locks of a failed transaction must not wait for the connection's end to be noticed. */
async function rolledBackOnError<T>(
  client: PoolClient,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  try {
    return await work(statementsOf(client, (send) => send()));
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
