import type { Authorization, Order } from "../acme/acme.ts";
import { orderedName } from "../acme/objects/authorization.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { isRecord } from "../json.ts";
import type { Log, LogFields } from "../plugin.ts";
import { Problem, type ProblemDocument } from "../problem.ts";
import { namesHash } from "../request/drift.ts";
import type {
  AttemptChallenge,
  AttemptEvent,
  AttemptOrder,
  CertificateStatus,
  Issuance,
} from "../state/certificate-status.ts";
import type { Store } from "../state/store.ts";
import { afterFailure } from "./back-off.ts";
import type { PendingChallenge } from "./proof/challenges.ts";

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
  /** The CA with this directory has issued a certificate, whatever becomes of it. */
  issued(order: Order, directory: string): void;
  /** The orders that the CA has issued for in this attempt, and when. */
  readonly issuances: readonly Omit<Issuance, "names">[];
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
  const issuances: Omit<Issuance, "names">[] = [];
  const tree = openTree();
  const now = () => clock.now().toISOString();
  const keep = (level: AttemptEvent["level"], step: string, message: string, name?: string) => {
    if (events.length >= keptEvents) return;
    events.push({ at: now(), level, step, message, identifier: name });
  };
  const logOf = (step: string, identifier?: string): Log => {
    const line = (level: "debug" | "info" | "warn") => (message: string, fields?: LogFields) => {
      keep(level, step, message, identifier);
      const all = { step, ...(identifier === undefined ? {} : { identifier }), ...fields };
      if (level === "info" && log.progress !== undefined) log.progress(message, all);
      else log[level](message, all);
    };
    return { debug: line("debug"), info: line("info"), warn: line("warn") };
  };
  return {
    startedAt,
    log: logOf,
    ...orderCalls(logOf, tree),
    ...challengeCalls(logOf, tree),
    issued: ({ url }, directory) => void issuances.push({ at: now(), order: url, directory }),
    issuances,
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
          problem,
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
    const { identifier, authorization, place } = one;
    tree.challenge(one, change);
    const [challenge, solver] = [one.offered.type, one.solver.setting.name];
    const fields = { challenge, solver, place, ...change };
    if (status === undefined) return fields;
    tree.authorization(identifier.value, { url: authorization, status });
    return { ...fields, authorization };
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
      const text = `${one.place} at ${server}: ${saw}`;
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
      logOf("validation", value).debug(text, note(one, { status: "valid" }, "valid"));
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
  if (reason === undefined) return [{ problem: document }];
  return [{ status: "invalid", problem: { ...reason, hint: document.hint } }, "invalid"];
}

type Entry = Omit<AttemptChallenge, "looks"> & { looks: Map<string, string> };

/** Order → authorizations → challenges → what was seen. Of a name without an authorization nothing is kept. */
function openTree() {
  const names = new Map<string, { url: string; status: string }>();
  const entries = new Map<PendingChallenge, Entry>();
  const earlier: AttemptOrder[] = [];
  let orderUrl: string | undefined;
  const challengesOf = (name: string) =>
    [...entries].flatMap(([{ identifier }, { looks, ...entry }]) => {
      const seen = [...looks].map(([server, saw]) => ({ server, saw }));
      return identifier.value === name ? [{ ...entry, looks: seen }] : [];
    });
  const current = (): AttemptOrder => {
    const all = [...names].map(([identifier, known]) => {
      return { identifier, ...known, challenges: challengesOf(identifier) };
    });
    return { orderUrl, authorizations: all.length === 0 ? undefined : all };
  };
  return {
    order(url: string) {
      if (orderUrl !== undefined && orderUrl !== url) {
        earlier.push(current());
        names.clear();
        entries.clear();
      }
      orderUrl = url;
    },
    authorization: (name: string, known: { url: string; status: string }) =>
      void names.set(name, known),
    challenge(one: PendingChallenge, change: Partial<AttemptChallenge>) {
      const { place } = one;
      const [type, solver] = [one.offered.type, one.solver.setting.name];
      const entry = entries.get(one) ?? { type, solver, status: "presenting", looks: new Map() };
      entries.set(one, { ...entry, place, ...change, looks: entry.looks });
    },
    check: (one: PendingChallenge, server: string, saw: string) =>
      void entries.get(one)?.looks.set(server, saw),
    read: () => ({ ...current(), earlier: earlier.length === 0 ? undefined : earlier }),
  };
}
type Tree = ReturnType<typeof openTree>;

/** An error as it is stored. */
function problemOf(error: unknown): ProblemDocument & { hint?: string | undefined } {
  if (Problem.is(error)) return { ...error.document, hint: error.hint };
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

interface RecordTools {
  readonly store: Store;
  readonly record: AttemptRecord;
}

/** Store how the attempt ended, for `status` to show. */
export async function saveSuccess(
  request: CertificateRequest,
  { store, record }: RecordTools,
): Promise<void> {
  const lastAttempt = record.end();
  await store.certificates.updateStatus(request.name, (status) => ({
    deploy: status.deploy,
    dane: status.dane,
    previousSuccess: status.lastSuccess,
    failures: 0,
    lastSuccess: lastAttempt.endedAt,
    issuances: recentIssuances(status, request, record),
    lastAttempt,
  }));
}

const week = 7 * 24 * 3_600_000;

/** Those of the last week, this attempt's among them; one that was downloaded by a later run counts once. */
function recentIssuances(
  { issuances = [] }: CertificateStatus,
  { identifiers }: CertificateRequest,
  { issuances: fresh, startedAt }: AttemptRecord,
): CertificateStatus["issuances"] {
  const orders = new Set(fresh.map(({ order }) => order));
  const kept = issuances.filter(
    ({ at, order }) => Date.parse(at) > startedAt.getTime() - week && !orders.has(order),
  );
  const names = fresh.length === 0 ? "" : namesHash(identifiers);
  const all = [...kept, ...fresh.map((one) => ({ ...one, names }))];
  return all.length === 0 ? undefined : all;
}

/** Store why the attempt failed, and when the next run may try again. */
export async function saveFailure(
  request: CertificateRequest,
  error: unknown,
  { store, record }: RecordTools,
): Promise<void> {
  const lastAttempt = record.end(error);
  await store.certificates.updateStatus(request.name, (status) => ({
    ...status,
    ...afterFailure(status, error, request, record.startedAt, lastAttempt.orderUrl),
    issuances: recentIssuances(status, request, record),
    lastAttempt,
  }));
}
