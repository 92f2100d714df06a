import type { State } from "../state.ts";
/** What a handler returns: JSON, text of some media type, or no body; a header that is undefined is not sent. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly json?: unknown;
  readonly text?: string | Buffer;
  readonly contentType?: string;
}
/** A JSON answer. */
export declare function json(status: number, body: unknown, headers?: Answer["headers"]): Answer;
/** A Retry-After header, in turn in seconds and as an HTTP-date (RFC 9110 §10.2.3), as CAs do either. */
export declare function retryAfter(state: State): Record<string, string>;
