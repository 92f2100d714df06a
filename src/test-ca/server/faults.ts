import type { IncomingHttpHeaders } from "node:http";
import type { Answer } from "./answer.ts";
import { AcmeProblem, errorPrefix, type ProblemJson } from "../acme-problem.ts";
import { isRecord } from "../../json.ts";

/** The kinds of resource, by which faults and records name requests; `unknown` is any other path. */
export type ResourceKind =
  | "directory"
  | "newNonce"
  | "newAccount"
  | "newOrder"
  | "keyChange"
  | "revokeCert"
  | "renewalInfo"
  | "account"
  | "orders"
  | "order"
  | "finalize"
  | "authz"
  | "challenge"
  | "certificate"
  | "unknown";

/** One request that reached the CA, for tests that count and look. */
export interface RequestRecord {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly kind: ResourceKind;
  readonly headers: IncomingHttpHeaders;
  /** The decoded protected header of the JWS; absent for a GET and for a body that is not a JWS. */
  readonly protected: Readonly<Record<string, unknown>> | undefined;
  /** The decoded payload: an object, "" for POST-as-GET, or absent. */
  readonly payload: unknown;
  readonly time: Date;
  /** What was answered; undefined before the answer, or when the connection was killed. */
  status: number | undefined;
  /** The JSON of that answer; undefined for another body. */
  answer: unknown;
}

/** What happens to a matching request; several members may be combined. */
export interface FaultAction {
  /** HTTP status of the answer; with `problem`, `body` or alone it replaces the real one. */
  readonly status?: number;
  /** A problem document; a `type` without a colon is an ACME error type (`rateLimited`). */
  readonly problem?: Partial<ProblemJson> & { readonly type: string };
  /** The body that replaces the real one. */
  readonly body?: string | Buffer;
  readonly contentType?: string;
  /** Headers that are added or replaced; `undefined` removes one. Names in lower case. */
  readonly headers?: Answer["headers"];
  /** Retry-After: seconds, or a date, which is written as an HTTP-date. */
  readonly retryAfter?: number | Date;
  /** Milliseconds to wait first. */
  readonly delay?: number;
  /** A hook, awaited: to kill a client, move a clock, look at files. */
  readonly call?: (request: RequestRecord) => void | Promise<void>;
  /** Changes a JSON answer (also to what is not conforming: identifiers, tokens, foreign URLs). */
  readonly mutate?: (json: Record<string, unknown>) => unknown;
  /** Changes a certificate chain. */
  readonly pem?: (pem: string) => string;
  /** Kill the connection instead of answering. */
  readonly destroy?: true;
  /** Send this many bytes of the body, then kill the connection; Content-Length is that of the whole body. */
  readonly truncate?: number;
  /** Send the body byte by byte, with this pause in milliseconds. */
  readonly slowBody?: number;
}

/** A fault: which requests it applies to, and what it does to them. */
export interface Fault {
  /** A resource kind ("newOrder"), a pattern of the path, any condition, or "*" for every request. */
  readonly on: ResourceKind | "*" | RegExp | ((request: RequestRecord) => boolean);
  /** The first matching request that it applies to, counted from 1 since the fault was added; default 1. */
  readonly nth?: number;
  /** How many matching requests it applies to from there on; default 1, Infinity for all. */
  readonly times?: number;
  /**
   * `before`: the request is not processed if the action has an answer of its own or kills the connection; `after`: it is
   * processed, and the answer changed or lost. Default `before`; actions that only change an answer do the same in both.
   */
  readonly phase?: "before" | "after";
  readonly do: FaultAction;
}

/** A fault that was added: how often it was applied, and how to remove it. */
export interface ArmedFault {
  readonly struck: number;
  remove(): void;
}

/** The script of faults. Of several that match one request, the one added first applies. */
export interface Faults {
  add(fault: Fault): ArmedFault;
  clear(): void;
}

/** The script as the server reads it. */
export interface FaultScript extends Faults {
  /** The fault that applies to the request; counts the request for all faults that match. */
  take(request: RequestRecord): Fault | undefined;
}

export function createFaults(): FaultScript {
  let armed: Armed[] = [];
  return {
    add(fault) {
      const entry: Armed = { fault, seen: 0, struck: 0 };
      armed.push(entry);
      return {
        get struck() {
          return entry.struck;
        },
        remove() {
          armed = armed.filter((each) => each !== entry);
        },
      };
    },
    clear() {
      armed = [];
    },
    take(request) {
      const due = armed.filter((entry) => isDue(entry, request));
      const [first] = due;
      if (first !== undefined) first.struck += 1;
      return first?.fault;
    },
  };
}

export function answers(action: FaultAction): boolean {
  const { status, problem, body, destroy } = action;
  return status !== undefined || problem !== undefined || body !== undefined || destroy === true;
}

export function alter(answer: Answer, action: FaultAction): Answer {
  const base = answers(action) ? ownAnswer(answer, action) : changed(answer, action);
  const { retryAfter } = action;
  const asked = retryAfter instanceof Date ? retryAfter.toUTCString() : retryAfter?.toString();
  return {
    ...base,
    headers: {
      ...base.headers,
      ...(asked === undefined ? {} : { "retry-after": asked }),
      ...action.headers,
    },
    contentType: action.contentType ?? base.contentType,
  };
}

interface Armed {
  readonly fault: Fault;
  seen: number;
  struck: number;
}

function isDue(entry: Armed, request: RequestRecord): boolean {
  if (!matches(entry.fault.on, request)) return false;
  entry.seen += 1;
  const { nth = 1, times = 1 } = entry.fault;
  return entry.seen >= nth && entry.seen < nth + times;
}

function matches(on: Fault["on"], request: RequestRecord): boolean {
  if (on === "*") return true;
  if (typeof on === "function") return on(request);
  return on instanceof RegExp ? on.test(request.path) : on === request.kind;
}

function ownAnswer(answer: Answer, action: FaultAction): Answer {
  const { status, problem, body } = action;
  if (problem !== undefined) return problemAnswer(problem, status);
  if (body !== undefined) return { ...answer, status: status ?? answer.status, text: body };
  return { status: status ?? answer.status };
}

function problemAnswer(problem: Partial<ProblemJson> & { type: string }, status?: number): Answer {
  const { type, detail = "A fault was scripted.", ...more } = problem;
  const usual = new AcmeProblem(type.replace(errorPrefix, ""), detail, more);
  const document = { ...usual.json, type: type.includes(":") ? type : errorPrefix + type };
  return {
    status: status ?? usual.status,
    json: { ...document, status: status ?? usual.status },
    contentType: "application/problem+json",
  };
}

function changed(answer: Answer, action: FaultAction): Answer {
  if (action.mutate !== undefined && isRecord(answer.json)) {
    const copy: unknown = structuredClone(answer.json);
    return { ...answer, json: isRecord(copy) ? action.mutate(copy) : copy };
  }
  if (action.pem !== undefined && typeof answer.text === "string")
    return { ...answer, text: action.pem(answer.text) };
  return answer;
}
