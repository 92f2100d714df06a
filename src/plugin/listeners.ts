/** One listener per address and port in the process, shared by all solvers of a kind; other acmectl runs are waited for. */
import type { Server } from "node:net";
import { isIPv4, isIPv6 } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Log } from "../plugin.ts";
import { acmectlHolding, listenProblem, type Advice } from "./listen-problem.ts";
import { nameOf, openServer, type OpenServer, type Place, whereOf } from "./server.ts";
import { inTurns } from "./swap.ts";

/** What one kind of solver listens with. */
export interface Service<User> {
  readonly advice: Advice;
  /** A server that does not listen yet and answers for all users, also for those that join later. */
  create(users: ReadonlySet<User>): Server;
}

export interface Waiting {
  /** Milliseconds to wait for another acmectl run that uses the port. */
  readonly wait: number;
  readonly signal: AbortSignal;
}

interface Listener<User> {
  readonly place: Place;
  readonly server: OpenServer;
  readonly users: Set<User>;
}

export interface SharedListeners<User> {
  /** Serves `user` at all places, or at none: rejects with a Problem of kind `machine`. */
  join(places: readonly Place[], user: User, waiting: Waiting): Promise<void>;
  /** Stops serving `user`. Closes the listeners that serve no others, with every open connection. */
  leave(user: User): Promise<void>;
}

export function sharedListeners<User extends { readonly log: Log }>(
  service: Service<User>,
): SharedListeners<User> {
  const shared: Shared<User> = { service, listeners: new Set(), inTurn: inTurns() };
  return {
    async join(places, user, waiting) {
      try {
        for (const place of places) {
          await shared.inTurn(nameOfPlace(place), () => joinOne(place, user, waiting, shared));
        }
      } catch (error) {
        await leave(user, shared);
        throw error;
      }
    },
    leave: (user) => leave(user, shared),
  };
}

interface Shared<User> {
  readonly service: Service<User>;
  readonly listeners: Set<Listener<User>>;
  /** Opening and closing of one port or socket, one after the other. */
  readonly inTurn: ReturnType<typeof inTurns>;
}

async function leave<User>(user: User, { listeners, inTurn }: Shared<User>): Promise<void> {
  const used = [...listeners].filter(({ users }) => users.has(user));
  await Promise.all(
    used.map((listener) =>
      inTurn(nameOfPlace(listener.place), async () => {
        listener.users.delete(user);
        if (listener.users.size > 0 || !listeners.delete(listener)) return;
        await listener.server.close();
      }),
    ),
  );
}

async function joinOne<User extends { readonly log: Log }>(
  place: Place,
  user: User,
  waiting: Waiting,
  shared: Shared<User>,
): Promise<void> {
  const found = [...shared.listeners].find((listener) => covers(listener.place, place));
  if (found?.users.has(user) === true) return;
  const { server, users } = found ?? (await openListener(place, waiting, user.log, shared));
  users.add(user);
  user.log.debug("listening for validation requests", { on: nameOf(server) });
}

/** Opens a listener. On all addresses it takes over from those of this process on single addresses. */
async function openListener<User>(
  place: Place,
  waiting: Waiting,
  log: Log,
  { service, listeners }: Shared<User>,
): Promise<Listener<User>> {
  const replaced = [...listeners].filter((listener) => covers(place, listener.place));
  const users = new Set(replaced.flatMap((listener) => [...listener.users]));
  for (const listener of replaced) {
    listeners.delete(listener);
    await listener.server.close();
  }
  try {
    const open = () => openServer(place, service.create(users));
    const server = await openWhenFree(place, open, waiting, service.advice, log);
    const listener = { place, server, users };
    listeners.add(listener);
    return listener;
  } catch (error) {
    for (const { place, users } of replaced) {
      listeners.add({ place, server: await openServer(place, service.create(users)), users });
    }
    throw error;
  }
}

const pollInterval = 250;

async function openWhenFree(
  place: Place,
  open: () => Promise<OpenServer>,
  { wait, signal }: Waiting,
  advice: Advice,
  log: Log,
): Promise<OpenServer> {
  const started = performance.now();
  for (let informed = false; ; informed = true) {
    try {
      return await open();
    } catch (error) {
      const options = whereOf(place);
      const holder = await acmectlHolding(error, options);
      const waited = performance.now() - started;
      if (holder === undefined || waited >= wait)
        throw await listenProblem(error, options, advice, waited);
      if (!informed)
        log.info(`waiting for acmectl (pid ${holder}), which uses ${nameOfPlace(place)}`);
      await sleep(pollInterval, undefined, { signal });
    }
  }
}

function nameOfPlace(place: Place): string {
  return "socket" in place ? place.socket : `port ${place.port}`;
}

/** True if a listener on `one` gets the connections to `other`. Port 0 is a new port each time. */
function covers(one: Place, other: Place): boolean {
  if (one === other) return true;
  if ("socket" in one || "socket" in other) {
    return "socket" in one && "socket" in other && one.socket === other.socket;
  }
  return one.port === other.port && one.port !== 0 && coversHost(one.host, other.host);
}

function coversHost(one: string | undefined, other: string | undefined): boolean {
  if (one === undefined || one === other) return true;
  if (other === undefined) return false;
  return one === "0.0.0.0" ? isIPv4(other) : one === "::" && isIPv6(other);
}
