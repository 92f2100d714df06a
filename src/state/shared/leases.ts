/**
 * Leases: a holder, an end that heartbeats put off, and a token that only grows. The end is measured by the clock of the
 * shared state alone. A run that was paused past it finds another token, or an end in the past, and changes nothing.
 */
import { randomBytes } from "node:crypto";
import { openBell } from "../../bell.ts";
import type { Clock } from "../../clock.ts";
import type { Log } from "../../plugin.ts";
import { messageOf } from "../../errors.ts";
import { Problem } from "../../problem.ts";
import {
  describeHolder,
  hasEnded,
  isThisProcess,
  thisProcess,
  type Holder,
} from "../folder/locks/lock-file.ts";
import type { Lock, Store } from "../store.ts";
import type { SharedTools } from "../tools.ts";

export interface Leases extends Pick<Store, "lock" | "isLocked" | "claim"> {
  /** The token of the lease that this process took under this name and has not given back, even if it has lost it. */
  readonly tokenOf: (name: string) => string | undefined;
  /** Rejects if this process took the lease, has not given it back, and has lost it. */
  readonly assertHeld: (name: string) => Promise<void>;
}

/** Where they are kept. */
export interface LeaseRows {
  /** The token, if the lease was free, has ended or is that of the `dead` token. Done twice, it takes its own lease again. */
  take(wanted: {
    readonly name: string;
    readonly leaseTime: number;
    readonly me: Holder;
    readonly dead: string | undefined;
  }): Promise<string | undefined>;
  /** Who has it now, unless it has ended. */
  holderOf(name: string): Promise<Other | undefined>;
  /** Puts off the end of those that have not ended. */
  beat(leases: readonly Taken[], leaseTime: number): Promise<void>;
  /** Rejects with `lostProblem` unless the lease has this token and has not ended. */
  assert(name: string, token: string): Promise<void>;
  end(lease: Taken): Promise<void>;
  /** Calls `listener` when this lease is given back, until the function that it returns is called. Some may be missed. */
  onEnd?(name: string, listener: () => void): () => void;
  /** As `Store.claim`, where rows can be searched; answers the certificate and the token of its lease. */
  claim?(wanted: {
    readonly names: readonly string[];
    readonly due: Date | undefined;
    readonly leaseTime: number;
    readonly me: Holder;
  }): Promise<Taken | undefined>;
}
export interface Other {
  readonly token: string;
  readonly holder: Holder | undefined;
}
export interface Taken {
  readonly name: string;
  readonly token: string;
}

interface LeaseTools {
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds from a heartbeat to the lease's end. */
  readonly leaseTime: number;
  readonly check: () => Promise<void>;
}

const usualLeaseTime = 60_000;

export function openLeases(
  rows: LeaseRows,
  {
    leaseTime = usualLeaseTime,
    ...others
  }: Omit<LeaseTools, "leaseTime"> & Pick<SharedTools, "leaseTime">,
): Leases {
  const tools: LeaseTools = { ...others, leaseTime };
  const tokens = new Map<string, string>();
  const beating = openHeartbeat(rows, leaseTime);
  const held = (name: string, token: string) => {
    tokens.set(name, token);
    const lease = { name, token };
    beating.add(lease);
    const stop = () => {
      beating.remove(lease);
      if (tokens.get(name) === token) tokens.delete(name);
    };
    return leaseOf(rows, { name, token, log: tools.log, stop });
  };
  const { claim, handedOver } = openClaims(rows, tools, held);
  return {
    async lock(name, options) {
      await tools.check();
      const claimed = handedOver(name);
      return claimed ?? held(name, await acquire(rows, { ...tools, ...options, name }));
    },
    async isLocked(name) {
      await tools.check();
      return (await rows.holderOf(name)) !== undefined;
    },
    claim,
    tokenOf: (name) => tokens.get(name),
    async assertHeld(name) {
      const token = tokens.get(name);
      if (token !== undefined) await rows.assert(name, token);
    },
  };
}

/** Leases of certificates that wait for their `lock` in this run. */
function openClaims(
  rows: LeaseRows,
  { check, clock, leaseTime }: LeaseTools,
  held: (name: string, token: string) => Lock,
) {
  const claimed = new Map<string, Lock>();
  const handedOver = (name: string) => {
    const lock = claimed.get(name);
    claimed.delete(name);
    return lock;
  };
  const claim: Store["claim"] = async (names, due) => {
    await check();
    const me = await thisProcess("claim", randomBytes(16).toString("hex"), clock.now());
    const taken = await (rows.claim?.({ names, due, leaseTime, me }) ??
      claimOne(rows, names, { leaseTime, me }));
    if (taken === undefined) return undefined;
    const lease = `certificate:${taken.name}`;
    claimed.set(lease, held(lease, taken.token));
    return { name: taken.name, release: async () => handedOver(lease)?.release() };
  };
  return { claim, handedOver };
}

async function claimOne(
  rows: LeaseRows,
  names: readonly string[],
  { leaseTime, me }: { readonly leaseTime: number; readonly me: Holder },
): Promise<Taken | undefined> {
  for (const name of names) {
    const token = await rows.take({ name: `certificate:${name}`, leaseTime, me, dead: undefined });
    if (token !== undefined) return { name, token };
  }
  return undefined;
}

/** One timer for all leases of a run; it keeps no process alive. */
function openHeartbeat(rows: LeaseRows, leaseTime: number) {
  // Two leases may have the same token: in S3 it is a time.
  const leases = new Set<Taken>();
  const beat = () => {
    // What a failed heartbeat means shows when the lease is used.
    rows.beat([...leases], leaseTime).catch(() => undefined);
  };
  let timer: NodeJS.Timeout | undefined;
  return {
    add(lease: Taken) {
      leases.add(lease);
      timer ??= setInterval(beat, leaseTime / 4).unref();
    },
    remove(lease: Taken) {
      leases.delete(lease);
      if (leases.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
  };
}

type Wanted = Parameters<Store["lock"]>[1] & LeaseTools & { readonly name: string };

/** Milliseconds between looks at a lease that another run has. */
const longestPause = 500;
/** A longer wait is worth a connection of its own. */
const longWait = 100;

async function acquire(rows: LeaseRows, wanted: Wanted): Promise<string> {
  const bell = openBell(wanted);
  let stop: (() => void) | undefined;
  const pauseFor = async (milliseconds: number) => {
    if (milliseconds >= longWait) stop ??= rows.onEnd?.(wanted.name, bell.ring);
    await bell.sleep(milliseconds);
  };
  try {
    return await takeWhenFree(rows, wanted, pauseFor);
  } finally {
    stop?.();
  }
}

async function takeWhenFree(
  rows: LeaseRows,
  { name, leaseTime, wait, signal, clock, onWait }: Wanted,
  pauseFor: (milliseconds: number) => Promise<void>,
): Promise<string> {
  const deadline = clock.monotonic() + wait;
  const me = await thisProcess(name, randomBytes(16).toString("hex"), clock.now());
  let reported: string | undefined;
  let dead: string | undefined;
  for (let pause = 10; ; pause = Math.min(pause * 2, longestPause)) {
    signal.throwIfAborted();
    const token = await rows.take({ name, leaseTime, me, dead });
    if (token !== undefined) return token;
    const other = await rows.holderOf(name);
    if (other === undefined) continue;
    // A lease whose holder has died on this host is taken at once.
    dead = (await hasEnded(other.holder)) ? other.token : undefined;
    if (dead !== undefined) continue;
    const left = deadline - clock.monotonic();
    if (left <= 0) throw lockedProblem(name, other, wait);
    if (reported !== other.token) onWait?.(await waitedFor(other));
    reported = other.token;
    await pauseFor(Math.min(pause, left));
  }
}

interface Held extends Taken {
  readonly log: Log;
  readonly stop: () => void;
}

function leaseOf(rows: LeaseRows, { name, token, log, stop }: Held): Lock {
  let released: Promise<void> | undefined;
  const release = async () => {
    stop();
    try {
      await rows.end({ name, token });
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
      if (released !== undefined) throw lostProblem(name, await rows.holderOf(name));
      await rows.assert(name, token);
    },
    release: () => (released ??= release()),
  };
}

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

export function lostProblem(name: string, other: Other | undefined): Problem {
  const now = other === undefined ? "it has ended" : `${textOf(other.holder)} holds it now`;
  return new Problem("locked", {
    detail: `This run lost the lease "${name}": ${now}. Nothing was changed.`,
    hint: "Run again; an unfinished order is resumed. This run was stopped, or could not reach the state for over a minute.",
  });
}
