/**
 * Leases: a holder, an end that heartbeats put off, and a token from a sequence. The end is measured by the server's clock
 * alone. Whoever was paused past it finds another token, or an end in the past, and changes nothing.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../plugin.ts";
import { messageOf } from "../../errors.ts";
import { Problem } from "../../problem.ts";
import {
  describeHolder,
  hasEnded,
  isHolder,
  isThisProcess,
  thisProcess,
  type Holder,
} from "../folder/locks/lock-file.ts";
import type { Lock, Store } from "../store.ts";
import type { Database, Statements } from "./database.ts";

export interface Leases extends Pick<Store, "lock" | "isLocked"> {
  /** The token of the lease that this process took under this name and has not given back, even if it has lost it. */
  readonly tokenOf: (name: string) => string | undefined;
}

interface LeaseTools {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds from a heartbeat to the lease's end. */
  readonly leaseTime: number;
  readonly check: () => Promise<void>;
}

export function openLeases(database: Database, tools: LeaseTools): Leases {
  const tokens = new Map<string, string>();
  const beating = openHeartbeat(database, tools.leaseTime);
  return {
    async lock(name, options) {
      await tools.check();
      const token = await acquire(database, { ...tools, ...options, name });
      tokens.set(name, token);
      beating.add(token);
      const stop = () => {
        beating.remove(token);
        if (tokens.get(name) === token) tokens.delete(name);
      };
      return leaseOf(database, { name, token, log: tools.log, stop });
    },
    async isLocked(name) {
      await tools.check();
      return (await holderOf(database, name)) !== undefined;
    },
    tokenOf: (name) => tokens.get(name),
  };
}

/** Locks the row of a lease until the transaction ends, so that nobody takes it meanwhile; rejects when it is no longer this one. */
export async function assertLease(
  statements: Statements,
  name: string,
  token: string,
): Promise<void> {
  const held = await statements.rows(
    `SELECT token FROM acmectl.leases
     WHERE name = $1 AND token = $2 AND expires_at > clock_timestamp() FOR SHARE`,
    [name, token],
  );
  if (held.length === 0) throw await lostProblem(statements, name);
}

/** One timer for all leases of a run; it keeps no process alive. */
function openHeartbeat(database: Database, leaseTime: number) {
  const tokens = new Set<string>();
  const beat = () => {
    if (tokens.size === 0) return;
    // What a failed heartbeat means shows when the lease is used.
    database
      .count(
        `UPDATE acmectl.leases SET expires_at = clock_timestamp() + $2 * interval '1 millisecond'
         WHERE token = ANY($1::bigint[]) AND expires_at > clock_timestamp()`,
        [[...tokens], leaseTime],
      )
      .catch(() => undefined);
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    add(token: string) {
      tokens.add(token);
      timer ??= setInterval(beat, leaseTime / 4).unref();
    },
    remove(token: string) {
      tokens.delete(token);
      if (tokens.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
  };
}

type Wanted = Parameters<Store["lock"]>[1] & LeaseTools & { readonly name: string };

/** Milliseconds between looks at a lease that another run has. */
const longestPause = 500;

async function acquire(database: Database, wanted: Wanted): Promise<string> {
  const { name, wait, signal, clock, onWait } = wanted;
  const deadline = clock.monotonic() + wait;
  const me = await thisProcess(name, randomBytes(16).toString("hex"), clock.now());
  let reported: string | undefined;
  let dead: string | undefined;
  for (let pause = 10; ; pause = Math.min(pause * 2, longestPause)) {
    signal.throwIfAborted();
    const token = await take(database, { ...wanted, me, dead });
    if (token !== undefined) return token;
    const other = await holderOf(database, name);
    if (other === undefined) continue;
    // Nobody needs to wait for the end of a lease whose holder has died on this host.
    dead = (await hasEnded(other.holder)) ? other.token : undefined;
    if (dead !== undefined) continue;
    const left = deadline - clock.monotonic();
    if (left <= 0) throw lockedProblem(name, other, wait);
    if (reported !== other.token) onWait?.(await waitedFor(other));
    reported = other.token;
    await clock.sleep(Math.min(pause, left), signal);
  }
}

/** One statement, so that it needs no transaction; sent twice it takes its own lease again. */
async function take(
  database: Database,
  { name, leaseTime, me, dead }: Wanted & { me: Holder; dead: string | undefined },
): Promise<string | undefined> {
  const [taken] = await database.rows<{ token: string }>(
    `INSERT INTO acmectl.leases AS lease (name, token, holder, expires_at)
     VALUES ($1, nextval('acmectl.fence'), $2, clock_timestamp() + $3 * interval '1 millisecond')
     ON CONFLICT (name) DO UPDATE
     SET token = nextval('acmectl.fence'), holder = excluded.holder, expires_at = excluded.expires_at
     WHERE lease.expires_at <= clock_timestamp() OR lease.token = $4
       OR lease.holder ->> 'token' = $5
     RETURNING token`,
    [name, JSON.stringify(me), leaseTime, dead, me.token],
  );
  return taken?.token;
}

interface Other {
  readonly token: string;
  readonly holder: Holder | undefined;
}

async function holderOf(statements: Statements, name: string): Promise<Other | undefined> {
  const [found] = await statements.rows<{ token: string; holder: unknown }>(
    `SELECT token, holder FROM acmectl.leases WHERE name = $1 AND expires_at > clock_timestamp()`,
    [name],
  );
  const { token, holder } = found ?? {};
  return token === undefined ? undefined : { token, holder: isHolder(holder) ? holder : undefined };
}

interface Held {
  readonly name: string;
  readonly token: string;
  readonly log: Log;
  readonly stop: () => void;
}

function leaseOf(database: Database, { name, token, log, stop }: Held): Lock {
  let released: Promise<void> | undefined;
  const release = async () => {
    stop();
    try {
      await database.count(ended, [name, token]);
    } catch (error) {
      log.warn(
        `the lease "${name}" could not be given back and ends by itself: ${messageOf(error)}`,
      );
    }
  };
  return {
    name,
    token,
    async assertHeld() {
      if (released !== undefined) throw await lostProblem(database, name);
      await assertLease(database, name, token);
    },
    release: () => (released ??= release()),
  };
}

const ended = `
WITH old AS (DELETE FROM acmectl.leases WHERE expires_at < clock_timestamp() - interval '1 day')
UPDATE acmectl.leases SET expires_at = clock_timestamp() WHERE name = $1 AND token = $2`;

async function waitedFor({ holder }: Other): Promise<string> {
  const isOwn = holder !== undefined && (await isThisProcess(holder));
  return isOwn ? "another task of this run" : textOf(holder);
}

function textOf(holder: Holder | undefined): string {
  return holder === undefined ? "an unknown process" : describeHolder(holder);
}

function lockedProblem(name: string, { holder }: Other, wait: number): Problem {
  const waited = wait > 0 ? ` Waited ${Math.round(wait / 1000)} s.` : "";
  return new Problem("locked", {
    detail: `Another acmectl run (${textOf(holder)}) holds the lease "${name}".${waited}`,
    hint: "Wait until it ends and run again. If its host is gone, the lease ends by itself within a minute.",
  });
}

async function lostProblem(statements: Statements, name: string): Promise<Problem> {
  const other = await holderOf(statements, name);
  const now = other === undefined ? "it has ended" : `${textOf(other.holder)} holds it now`;
  return new Problem("locked", {
    detail: `This run lost the lease "${name}": ${now}. Nothing was changed.`,
    hint: "Run again; an unfinished order is resumed. This run was stopped, or could not reach the state for over a minute.",
  });
}
