/** What a handler returns: JSON, text of some media type, or no body; a header that is undefined is not sent. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly json?: unknown;
  readonly text?: string | Buffer;
  readonly contentType?: string;
}

/** A JSON answer. */
export function json(status: number, body: unknown, headers: Answer["headers"] = {}): Answer {
  return { status, json: body, headers };
}
