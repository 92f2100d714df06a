/** Statements and transactions. A connection that is lost in between is replaced, and the work done again. */
import { Pool, type ClientConfig, type PoolClient } from "pg";
import { abortable } from "../../abortable.ts";
import type { StateTools } from "../tools.ts";
import { isConflict, isLost, isOfHost, isStarting, problemOf } from "./faults.ts";
import type { DatabasePlace } from "./place.ts";

export interface Statements {
  /** The rows that one statement answers. It may be sent twice, so it must do no harm when it is. */
  rows<T extends object>(sql: string, values?: readonly unknown[]): Promise<readonly T[]>;
  /** How many rows one statement changed. */
  count(sql: string, values?: readonly unknown[]): Promise<number>;
}

export interface Database extends Statements {
  readonly where: string;
  /** The host that was used last. */
  readonly place: () => DatabasePlace;
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
  { clock, log, signal }: Pick<StateTools, "clock" | "log" | "signal">,
): Database {
  const places = [place, ...(place.others ?? [])];
  let pool = poolOf(place);
  let wasReached = false;

  /** The next host, which may be the new primary. */
  function goOn(): void {
    places.push(...places.splice(0, 1));
    const old = pool;
    pool = poolOf(places[0] ?? place);
    old.end().catch(ignore);
  }

  const isElsewhere = (error: unknown) => places.length > 1 && isOfHost(error);
  const isWorthIt = (error: unknown) =>
    isConflict(error) || (!signal.aborted && (isElsewhere(error) || (wasReached && isLost(error))));

  /** What was reached before may come back; what was never reached is reported at once. A run that is stopped does not wait. */
  async function surely<T>(work: () => Promise<T>): Promise<T> {
    for (let pause = firstPause; ; pause *= 2) {
      try {
        const result = await work();
        wasReached = true;
        return result;
      } catch (error) {
        wasReached ||= isStarting(error);
        if (!isWorthIt(error) || pause > longestPause) throw problemOf(error, places[0] ?? place);
        if (isElsewhere(error)) goOn();
        log.debug(`the connection to ${place.where} was lost; trying again`);
        await clock.sleep(pause, isLost(error) ? signal : never);
      }
    }
  }

  return {
    where: place.where,
    place: () => places[0] ?? place,
    ...statementsOf((work) => surely(() => connected(pool, signal, work))),
    transaction: (work) => surely(() => connected(pool, signal, (one) => inTransaction(one, work))),
    end: () => pool.end(),
  };
}

const never = new AbortController().signal;

function poolOf(place: DatabasePlace): Pool {
  const pool = new Pool({
    ...clientOptions(place),
    max: connections,
    // A run ends when its work is done, not when its connections are.
    allowExitOnIdle: true,
  });
  // The next statement finds out.
  pool.on("error", ignore);
  return pool;
}

export function clientOptions({
  host,
  port,
  user,
  database,
  password,
  tls,
}: DatabasePlace): ClientConfig {
  return {
    host,
    port,
    user,
    database,
    // A function, so that `pg` does not look for a password itself.
    password: () => password ?? "",
    ssl: tls,
    application_name: "acmectl",
    connectionTimeoutMillis: 15_000,
    query_timeout: 60_000,
    keepAlive: true,
  };
}

type Sent = <T>(work: (client: PoolClient) => Promise<T>) => Promise<T>;

/** `send` gives them a connection. */
function statementsOf(send: Sent): Statements {
  return {
    rows: async <T extends object>(sql: string, values: readonly unknown[] = []) =>
      (await send((client) => client.query<T>(sql, [...values]))).rows,
    count: async (sql, values = []) =>
      (await send((client) => client.query(sql, [...values]))).rowCount ?? 0,
  };
}

/** A signal ends the wait for a connection, not what is sent through it: that is done or not, and known. */
async function connected<T>(
  pool: Pool,
  signal: AbortSignal,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const connecting = pool.connect();
  const client = await (signal.aborted ? connecting : abortable(connecting, signal)).catch(
    (error: unknown) => {
      connecting.then((late) => late.release(), ignore);
      throw error;
    },
  );
  // While it is in use, its loss is the failure of its statement.
  client.on("error", ignore);
  let isBroken = true;
  try {
    const result = await work(client);
    isBroken = false;
    return result;
  } finally {
    client.off("error", ignore);
    // A connection in an unknown state is closed.
    client.release(isBroken);
  }
}

async function inTransaction<T>(
  client: PoolClient,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  await client.query(begin);
  const result = await rolledBackOnError(client, work);
  await client.query("COMMIT");
  return result;
}

/** A host that is paused in a transaction must not keep its locks for longer than its leases. */
const begin = "BEGIN; SET LOCAL idle_in_transaction_session_timeout = '30s'";

const ignore = () => undefined;

/** The locks of a failed transaction must not wait for the connection's end to be noticed. */
async function rolledBackOnError<T>(
  client: PoolClient,
  work: (statements: Statements) => Promise<T>,
): Promise<T> {
  try {
    return await work(statementsOf((send) => send(client)));
  } catch (error) {
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  }
}
