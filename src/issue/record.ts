import { isIPv6 } from "node:net";
import type { Authorization, Order } from "../acme/acme.ts";
import { orderedName } from "../acme/objects/authorization.ts";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { isRecord } from "../json.ts";
import type { Challenge, Log, LogFields } from "../plugin.ts";
import { Problem, type ProblemDocument } from "../problem.ts";
import type {
  AttemptAuthorization,
  AttemptChallenge,
  AttemptEvent,
  CertificateStatus,
} from "../state/store.ts";
import type { PendingChallenge } from "./challenges.ts";

/** What happens in one attempt. Each call writes a line to the log and is what `status` shows later. */
export interface AttemptRecord {
  readonly startedAt: Date;
  /** For lines that change nothing in the order's tree. */
  log(step: string, identifier?: string): Log;
  /** `since` when an earlier run placed it. */
  order(order: Order, since?: string): void;
  authorization(authorization: Authorization): void;
  presented(challenge: PendingChallenge): void;
  /** What one server answered when it was asked for the response. */
  check(challenge: PendingChallenge, server: string, saw: string): void;
  /** Before the CA was asked. */
  failed(challenge: PendingChallenge, error: unknown): void;
  validated(challenge: PendingChallenge): void;
  /** After the CA was asked. */
  refused(challenge: PendingChallenge, error: unknown): void;
  /** As it is stored. With an error the attempt has failed. */
  end(error?: unknown): LastAttempt;
}

export type LastAttempt = NonNullable<CertificateStatus["lastAttempt"]> & { endedAt: string };

const keptEvents = 500;

export function openRecord(
  startedAt: Date,
  { log, clock, redact }: Pick<Context, "log" | "clock" | "redact">,
): AttemptRecord {
  const events: AttemptEvent[] = [];
  const tree = openTree();
  const now = () => clock.now().toISOString();
  const keep = (level: AttemptEvent["level"], step: string, message: string, name?: string) => {
    if (events.length >= keptEvents) return;
    const named = name === undefined ? {} : { identifier: name };
    events.push({ at: now(), level, step, message, ...named });
  };
  const logOf = (step: string, identifier?: string): Log => {
    const line = (level: "debug" | "info" | "warn") => (message: string, fields?: LogFields) => {
      keep(level, step, message, identifier);
      log[level](message, { step, ...(identifier === undefined ? {} : { identifier }), ...fields });
    };
    return { debug: line("debug"), info: line("info"), warn: line("warn") };
  };
  return {
    startedAt,
    log: logOf,
    ...orderCalls(logOf, tree),
    ...challengeCalls(logOf, tree),
    end(error) {
      const problem = error === undefined ? undefined : problemOf(error);
      if (problem !== undefined) keep("error", "failed", problem.detail ?? problem.title);
      return withoutSecrets(
        {
          startedAt: startedAt.toISOString(),
          endedAt: now(),
          outcome: problem === undefined ? "issued" : "failed",
          ...tree.read(),
          events,
          ...(problem === undefined ? {} : { problem }),
        },
        redact,
      );
    },
  };
}

type LogOf = AttemptRecord["log"];

function orderCalls(logOf: LogOf, tree: Tree): Pick<AttemptRecord, "order" | "authorization"> {
  return {
    order(order, since) {
      tree.order(order.url);
      const fields = { order: order.url };
      if (since === undefined) logOf("order").debug(`the order is ${order.url}`, fields);
      else logOf("order").info(`resuming the order of ${since} (${order.status})`, fields);
    },
    authorization(authorization) {
      const { url, status } = authorization;
      const { value } = orderedName(authorization);
      tree.authorization(value, { url, status });
      const fields = { authorization: url, status };
      logOf("order", value).debug(`the authorization of ${value} is ${status}`, fields);
    },
  };
}

function challengeCalls(
  logOf: LogOf,
  tree: Tree,
): Pick<AttemptRecord, "presented" | "check" | "failed" | "validated" | "refused"> {
  const note = (one: PendingChallenge, change: Partial<AttemptChallenge>, status?: string) => {
    const { identifier, authorization } = one;
    tree.challenge(one, change);
    if (status === undefined) return { ...keyOf(one), ...change };
    tree.authorization(identifier.value, { url: authorization, status });
    return { ...keyOf(one), ...change, authorization };
  };
  return {
    presented(one) {
      const fields = note(one, { status: "presented" });
      const text = `${fields.solver} has presented ${fields.challenge} at ${fields.place}`;
      logOf("present", one.identifier.value).debug(text, fields);
    },
    check(one, server, saw) {
      tree.check(one, server, saw);
      const step = one.challenge.type === "http-01" ? "self-check" : "propagation";
      const text = `${placeOf(one.challenge)} at ${server}: ${saw}`;
      logOf(step, one.identifier.value).debug(text, { server, saw });
    },
    failed(one, error) {
      const { value } = one.identifier;
      const text = `${one.solver.setting.name} has failed for ${value}: ${messageOf(error)}`;
      const fields = note(one, { status: "failed", problem: problemOf(error) });
      logOf("present", value).debug(text, fields);
    },
    validated(one) {
      const { value } = one.identifier;
      const text = `the CA has validated ${value}`;
      logOf("validation", value).info(text, note(one, { status: "valid" }, "valid"));
    },
    refused(one, error) {
      const { value } = one.identifier;
      const text = `the CA has not validated ${value}: ${messageOf(error)}`;
      logOf("validation", value).debug(text, note(one, ...verdictOf(error)));
    },
  };
}

/** The CA's own words for a challenge, and what they mean for its authorization. */
function verdictOf(error: unknown): [change: Partial<AttemptChallenge>, authorization?: string] {
  const { subproblems: [reason] = [], ...document } = problemOf(error);
  const { hint } = document;
  if (reason === undefined) return [{ problem: document }];
  return [{ status: "invalid", problem: { ...reason, ...(hint && { hint }) } }, "invalid"];
}

function keyOf({ challenge, solver }: PendingChallenge) {
  return { challenge: challenge.type, solver: solver.setting.name, place: placeOf(challenge) };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
type Entry = Omit<Writable<AttemptChallenge>, "looks"> & { looks: Map<string, string> };

/** Order → authorizations → challenges → what was seen. Of a name without an authorization nothing is kept. */
function openTree() {
  const names = new Map<string, { url: string; status: string; challenges: Entry[] }>();
  let orderUrl: string | undefined;
  const entryOf = (one: PendingChallenge) => {
    const { challenge: type, solver } = keyOf(one);
    const all = names.get(one.identifier.value)?.challenges ?? [];
    return all.findLast((entry) => entry.type === type && entry.solver === solver);
  };
  return {
    order: (url: string) => void (orderUrl = url),
    authorization(name: string, known: { url: string; status: string }) {
      names.set(name, { challenges: names.get(name)?.challenges ?? [], ...known });
    },
    challenge(one: PendingChallenge, change: Partial<AttemptChallenge>) {
      const { challenge: type, ...key } = keyOf(one);
      const known = entryOf(one);
      const entry = known ?? { type, ...key, status: "presenting", looks: new Map() };
      if (known === undefined) names.get(one.identifier.value)?.challenges.push(entry);
      Object.assign(entry, { place: key.place, ...change });
    },
    check(one: PendingChallenge, server: string, saw: string) {
      entryOf(one)?.looks.set(server, saw);
    },
    read(): { orderUrl?: string; authorizations?: readonly AttemptAuthorization[] } {
      const authorizations = [...names].map(([identifier, { challenges, ...known }]) => ({
        identifier,
        ...known,
        challenges: challenges.map((one) => ({
          ...one,
          looks: [...one.looks].map(([server, saw]) => ({ server, saw })),
        })),
      }));
      return {
        ...(orderUrl === undefined ? {} : { orderUrl }),
        ...(authorizations.length === 0 ? {} : { authorizations }),
      };
    },
  };
}
type Tree = ReturnType<typeof openTree>;

/** Where a response is put: a record's name, a URL or a host. */
export function placeOf(challenge: Challenge): string {
  if (challenge.type === "dns-01") return challenge.recordName;
  const { value } = challenge.identifier;
  const host = isIPv6(value) ? `[${value}]` : value;
  return challenge.type === "http-01" ? `http://${host}${challenge.path}` : `${host}:443`;
}

/** An error as it is stored. */
function problemOf(error: unknown): ProblemDocument & { hint?: string } {
  if (Problem.is(error))
    return { ...error.document, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  return { type: "about:blank", title: "A bug in acmectl", detail: messageOf(error) };
}

/** What a solver, a hook or a CA said may hold a secret; what is stored must not. */
function withoutSecrets<T>(value: T, redact: (text: string) => string): T;
function withoutSecrets(value: unknown, redact: (text: string) => string): unknown {
  if (typeof value === "string") return redact(value);
  if (Array.isArray(value)) return value.map((one) => withoutSecrets(one, redact));
  if (!isRecord(value)) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, withoutSecrets(one, redact)]);
  return Object.fromEntries(entries);
}
