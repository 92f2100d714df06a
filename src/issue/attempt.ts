import type { CertificateRequest } from "../certificate.ts";
import type { Log, LogFields } from "../plugin.ts";
import { Problem, type ProblemDocument } from "../problem.ts";
import type { AttemptEvent, CertificateStatus } from "../state/store.ts";
import { requestHash } from "../request/drift.ts";
import type { IssueTools } from "./tools.ts";
import { openTrace } from "./trace.ts";
import { messageOf } from "../errors.ts";

/** An attempt being recorded: what happened, for `status` to tell, and how it ended, for the next run to heed. */
export interface Attempt {
  /** Passes everything on, and keeps what names a step. */
  readonly log: Log;
  succeeded(orderUrl: string): Promise<void>;
  failed(error: unknown): Promise<void>;
}

const keptEvents = 500;
/** After a failure wait 1 min, 10 min, 100 min, then a day, as Let's Encrypt's integration guide asks. Milliseconds. */
const backOff = [1, 10, 100, 1440].map((minutes) => minutes * 60_000);

export function beginAttempt(
  request: CertificateRequest,
  begun: Date,
  { store, log, clock, redact }: Pick<IssueTools, "store" | "log" | "clock" | "redact">,
): Attempt {
  const now = () => clock.now().toISOString();
  const startedAt = begun.toISOString();
  const events: AttemptEvent[] = [];
  const trace = openTrace();
  const record = (level: AttemptEvent["level"], message: string, fields: LogFields = {}) => {
    trace.note(withoutSecrets(fields, redact));
    const { step, identifier } = fields;
    if (typeof step !== "string" || events.length >= keptEvents) return;
    const named = typeof identifier === "string" ? { identifier } : {};
    events.push({ at: now(), level, step, message: redact(message), ...named });
  };
  const ended = (outcome: "issued" | "failed") => ({
    startedAt,
    endedAt: now(),
    outcome,
    ...trace.read(),
    events,
  });
  return {
    log: recording(log, record),
    async succeeded(orderUrl) {
      const lastAttempt = { ...ended("issued"), orderUrl };
      await store.certificates.updateStatus(request.name, ({ deploy, lastSuccess }) => ({
        ...(deploy === undefined ? {} : { deploy }),
        ...(lastSuccess === undefined ? {} : { previousSuccess: lastSuccess }),
        failures: 0,
        lastSuccess: lastAttempt.endedAt,
        lastAttempt,
      }));
    },
    async failed(error) {
      const problem = redacted(told(error), redact);
      record("error", problem.detail ?? problem.title, { step: "failed" });
      const lastAttempt = { ...ended("failed"), problem };
      await store.certificates.updateStatus(request.name, (status) => ({
        ...status,
        ...afterFailure(status, error, request, begun),
        lastAttempt,
      }));
    },
  };
}

function recording(
  log: Log,
  record: (level: "debug" | "info" | "warn", message: string, fields?: LogFields) => void,
): Log {
  const both = (level: "debug" | "info" | "warn") => (message: string, fields?: LogFields) => {
    record(level, message, fields);
    log[level](message, fields);
  };
  return { debug: both("debug"), info: both("info"), warn: both("warn") };
}

/** An error as it is remembered. */
export function told(error: unknown): ProblemDocument & { hint?: string } {
  if (Problem.is(error))
    return { ...error.document, ...(error.hint === undefined ? {} : { hint: error.hint }) };
  return {
    type: "about:blank",
    title: "A bug in acmectl",
    detail: messageOf(error),
  };
}

type Redact = (text: string) => string;

/** What a solver, a hook or a CA has said may hold a secret of ours; what is kept holds none. */
function withoutSecrets(fields: LogFields, redact: Redact): LogFields {
  const change = (value: unknown): unknown => {
    if (typeof value === "string") return redact(value);
    if (Array.isArray(value)) return value.map(change);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, change(one)]));
  };
  return Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, change(value)]));
}

function redacted<T extends ProblemDocument & { hint?: string }>(problem: T, redact: Redact): T {
  const { detail, hint, subproblems } = problem;
  return {
    ...problem,
    title: redact(problem.title),
    ...(detail === undefined ? {} : { detail: redact(detail) }),
    ...(hint === undefined ? {} : { hint: redact(hint) }),
    ...(subproblems === undefined
      ? {}
      : { subproblems: subproblems.map((one) => redacted(one, redact)) }),
  };
}

/**
 * What the next run has to heed. What a CA was not asked about (wrong options, this machine, a lock, Ctrl-C) may be tried
 * again at once; a CA's Retry-After goes before our own back-off; what it will never accept waits for another request.
 */
function afterFailure(
  status: CertificateStatus,
  error: unknown,
  request: CertificateRequest,
  startedAt: Date,
): Partial<CertificateStatus> {
  const problem = Problem.is(error) ? error : undefined;
  if (problem !== undefined && unasked.has(problem.exitCode)) return {};
  const ours = new Date(
    startedAt.getTime() + (backOff[Math.min(status.failures, backOff.length - 1)] ?? 0),
  );
  const failures = status.failures + 1;
  const theirs = problem?.retryAt;
  const said = theirs === undefined ? {} : { caRetryAt: theirs.toISOString() };
  if (theirs !== undefined && theirs > ours) {
    return { failures, ...said, retryAt: theirs.toISOString(), retryReason: "ca" };
  }
  const permanent = problem?.exitCode === 5 && !problem.retryable;
  return {
    failures,
    ...said,
    retryAt: ours.toISOString(),
    retryReason: permanent ? "permanent" : "backoff",
    failedRequest: requestHash(request),
  };
}

const unasked: ReadonlySet<number> = new Set([2, 3, 8, 9, 129, 130, 143]);
