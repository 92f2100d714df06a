import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { beginningOf } from "../../body.ts";
import { send, type Answer } from "./answer.ts";
import { AcmeProblem, demand, problemOf } from "../acme-problem.ts";
import { authenticate } from "../signed/request.ts";
import { alter, answers, type Fault, type FaultScript, type RequestRecord } from "./faults.ts";
import { isRecord, parseJson } from "../../json.ts";
import { routeOf } from "./routes.ts";
import type { State } from "../state.ts";

/** Answers every request: the script of faults first, then the resource, then the script again. */
export function createListener(
  state: State,
  faults: FaultScript,
  records: RequestRecord[],
): (request: IncomingMessage, response: ServerResponse) => Promise<void> {
  return async (request, response) => {
    const started = performance.now();
    // The client went away, or sends too much.
    const read = await beginningOf(request, longestBody).catch(() => undefined);
    if (read?.whole !== true) {
      response.destroy();
      return;
    }
    const body = read.bytes.toString();
    const record = recordOf(state, request, body);
    records.push(record);
    if (records.length > mostRecords) records.shift();
    const fault = faults.take(record);
    try {
      const answer = await answerTo(state, record, body, fault);
      if (answer === undefined) response.destroy();
      else {
        record.status = answer.status;
        record.answer = answer.json;
        // The CA's clock, which a test may have set, not the machine's.
        response.setHeader("date", state.settings.now().toUTCString());
        await send(response, answer, fault?.do ?? {});
      }
    } catch (error) {
      response.destroy();
      if (!state.signal.aborted) state.settings.log(`An answer was lost: ${String(error)}`);
    }
    const took = Math.round(performance.now() - started);
    const outcome = record.status ?? "killed";
    state.settings.log(`${record.method} ${record.path} ${outcome} ${took} ms`);
  };
}

const longestBody = 256 * 1024;
const mostRecords = 10_000;

function recordOf(state: State, request: IncomingMessage, body: string): RequestRecord {
  const path = request.url ?? "/";
  return {
    method: request.method ?? "",
    path,
    kind: routeOf(path)?.route.kind ?? "unknown",
    headers: request.headers,
    ...decodeBody(body),
    time: state.settings.now(),
    status: undefined,
    answer: undefined,
  };
}

/** Decodes as much of a body as can be decoded, verifying nothing. */
function decodeBody(body: string): Pick<RequestRecord, "protected" | "payload"> {
  const jws = parseJson(body);
  if (!isRecord(jws)) return { protected: undefined, payload: undefined };
  const header = decode(jws["protected"]);
  return { protected: isRecord(header) ? header : undefined, payload: decode(jws["payload"]) };
}

function decode(part: unknown): unknown {
  if (typeof part !== "string") return undefined;
  return part === "" ? "" : parseJson(Buffer.from(part, "base64url").toString());
}

/** The answer to send, or undefined to kill the connection. */
async function answerTo(
  state: State,
  record: RequestRecord,
  body: string,
  fault: Fault | undefined,
): Promise<Answer | undefined> {
  const action = fault?.do ?? {};
  const before = (fault?.phase ?? "before") === "before";
  if (before) await hold(state, record, action);
  const skipped = before && answers(action);
  const answer = skipped ? { status: 200 } : await process(state, record, body);
  if (!before) await hold(state, record, action);
  if (action.destroy === true) return undefined;
  return withProtocolHeaders(state, record, alter(answer, action));
}

async function hold(state: State, record: RequestRecord, action: Fault["do"]): Promise<void> {
  if (action.delay !== undefined)
    await sleep(action.delay, undefined, { signal: state.signal, ref: false });
  await action.call?.(record);
}

async function process(state: State, record: RequestRecord, body: string): Promise<Answer> {
  try {
    return await dispatch(state, record, body);
  } catch (error) {
    const { status, json, headers, message } = problemOf(error, "The test CA has a bug");
    state.settings.log(`${record.kind}: ${message}`);
    return { status, json, headers, contentType: "application/problem+json" };
  }
}

async function dispatch(state: State, record: RequestRecord, body: string): Promise<Answer> {
  demand(Boolean(record.headers["user-agent"]), "Clients must send a User-Agent (§6.1).");
  const { method, path } = record;
  const found = routeOf(path);
  demand(found !== undefined, `Nothing is at ${path}.`, "malformed", { status: 404 });
  const { route, ids } = found;
  if (method === "POST" && route.post !== undefined) {
    const contentType = record.headers["content-type"];
    const post = { url: state.base + path, contentType, body, ids };
    return route.post.handle(state, authenticate(state, post, route.post.signedBy));
  }
  const reads = method === "GET" || method === "HEAD";
  if (reads && route.get !== undefined) return route.get(state, ids[0] ?? "", method);
  const allow = route.get === undefined ? "POST" : "GET, HEAD";
  const detail = `${method} is not allowed here; use ${allow}.`;
  throw new AcmeProblem("malformed", detail, { status: 405 }, { allow });
}

/** Replay-Nonce on all answers but those to plain GETs, Link to the directory on all but its own (§6.5, §7.1). */
function withProtocolHeaders(state: State, record: RequestRecord, answer: Answer): Answer {
  const own = answer.headers ?? {};
  const nonced = record.method === "POST" || record.kind === "newNonce";
  const index = `<${state.base}/directory>;rel="index"`;
  const isRemoved = "link" in own && own["link"] === undefined;
  const links = record.kind === "directory" ? [] : [index, ...[own["link"] ?? []].flat()];
  return {
    ...answer,
    headers: {
      "cache-control": "public, max-age=0, no-cache",
      "replay-nonce": nonced ? state.nonces.issue() : undefined,
      ...own,
      link: links.length === 0 || isRemoved ? undefined : links,
    },
  };
}
