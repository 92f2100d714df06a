import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";

/** What a handler returns: JSON, text of some media type, or no body; a header that is undefined is not sent. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly json?: unknown;
  readonly text?: string | Buffer;
  readonly contentType?: string | undefined;
}

export function json(status: number, body: unknown, headers: Answer["headers"] = {}): Answer {
  return { status, json: body, headers };
}

/** Writes an answer, whole, slowly, or only its beginning. */
export async function send(
  response: ServerResponse,
  answer: Answer,
  { truncate, slowBody }: { truncate?: number; slowBody?: number },
): Promise<void> {
  const { json, text = json === undefined ? "" : JSON.stringify(json) } = answer;
  const body = Buffer.from(text);
  response.statusCode = answer.status;
  for (const [name, value] of Object.entries(answer.headers ?? {})) {
    if (value === undefined) continue;
    response.setHeader(name, typeof value === "string" ? value : [...value]);
  }
  if (body.length > 0) response.setHeader("content-type", contentTypeOf(answer));
  if (answer.status !== 204) response.setHeader("content-length", body.length);
  if (truncate !== undefined) {
    response.write(body.subarray(0, truncate), () => response.destroy());
    return;
  }
  if (slowBody !== undefined) await drip(response, body, slowBody);
  response.end(slowBody === undefined ? body : undefined);
}

function contentTypeOf(answer: Answer): string {
  return answer.contentType ?? (answer.text === undefined ? "application/json" : "text/plain");
}

async function drip(response: ServerResponse, body: Buffer, pause: number): Promise<void> {
  response.flushHeaders();
  for (const byte of body) {
    if (response.destroyed) return;
    response.write(Buffer.from([byte]));
    await sleep(pause, undefined, { ref: false });
  }
}
