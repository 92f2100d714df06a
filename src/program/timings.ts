/** Where the time of a run goes, from what it logs: each step has events, each request to the CA has one. */
import type { RunLog } from "../context.ts";
import { isRecord } from "../json.ts";
import type { LogFields } from "../plugin.ts";
import { heading, type StreamedResult, table } from "../result.ts";

interface Phase {
  readonly phase: string;
  /** Milliseconds since the process began. */
  readonly start: number;
  /** Until the next phase begins. */
  readonly milliseconds: number;
}

interface Request {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly start: number;
  readonly milliseconds: number;
}

export interface Timer {
  /** The log, with everything that passes through it timed. */
  readonly log: RunLog;
  /** The result with a member of its document, and tables for people. */
  added(result: StreamedResult): StreamedResult;
}

export function openTimer(log: RunLog): Timer {
  const begins = new Map([["start", 0]]);
  const requests: Request[] = [];
  const note = ({ step, request }: LogFields = {}) => {
    const now = performance.now();
    if (isRequest(request)) requests.push({ ...request, start: round(now - request.milliseconds) });
    if (typeof step === "string" && !beside.has(step) && !begins.has(step)) begins.set(step, now);
  };
  return {
    log: watch(log, note),
    added(result) {
      const now = performance.now();
      const phases = phasesOf(begins, now);
      const rows = phases.map(({ phase, milliseconds }) => [phase, `${milliseconds}`]);
      return {
        ...result,
        document: { ...result.document, timings: { total: round(now), phases, requests } },
        aside: [
          heading(`Timings: ${round(now)} ms in all`),
          table(["phase", "ms"], rows),
          ...(requests.length === 0
            ? []
            : [table(["requests", "number", "ms in all", "longest"], byEndpoint(requests))]),
        ],
      };
    },
  };
}

/** Steps that run while others do. */
const beside = new Set(["key", "cleanup"]);

const round = (milliseconds: number) => Math.round(milliseconds);

function isRequest(value: unknown): value is Omit<Request, "start"> {
  return isRecord(value) && typeof value["milliseconds"] === "number";
}

function watch(log: RunLog, note: (fields: LogFields | undefined) => void): RunLog {
  const line =
    (level: "debug" | "info" | "warn" | "progress") => (text: string, fields?: LogFields) => {
      note(fields);
      if (level !== "progress" || log.progress === undefined)
        log[level === "progress" ? "info" : level](text, fields);
      else log.progress(text, fields);
    };
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    progress: line("progress"),
  };
}

function phasesOf(begins: ReadonlyMap<string, number>, end: number): readonly Phase[] {
  const all = [...begins];
  return all.map(([phase, start], index) => {
    const next = all[index + 1]?.[1] ?? end;
    return { phase, start: round(start), milliseconds: round(next - start) };
  });
}

/** A few rows, however many names there are. */
function byEndpoint(requests: readonly Request[]): readonly (readonly string[])[] {
  const groups = Map.groupBy(requests, ({ method, url }) => `${method} ${endpointOf(url)}`);
  return [...groups].map(([name, all]) => {
    const times = all.map(({ milliseconds }) => milliseconds);
    const sum = times.reduce((one, other) => one + other, 0);
    return [name, `${all.length}`, `${sum}`, `${Math.max(...times)}`];
  });
}

/** Without what names one object: `/acme/authz/123/456` is `/acme/authz`. */
function endpointOf(url: string): string {
  const parts = new URL(url).pathname.split("/");
  const object = parts.findIndex((part) => /^\d+$|^[\w-]{16,}$/.test(part));
  return (object === -1 ? parts : parts.slice(0, object)).join("/");
}
