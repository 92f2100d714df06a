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

const asked = new WeakMap<object, number>();

/** A Retry-After header, in turn in seconds and as an HTTP-date (RFC 9110 §10.2.3), as CAs do either. */
export function retryAfter(state: {
  readonly settings: {
    readonly asynchronous: { readonly retryAfter: number } | undefined;
    readonly now: () => Date;
  };
}): Record<string, string> {
  const seconds = state.settings.asynchronous?.retryAfter ?? 1;
  const count = (asked.get(state) ?? 0) + 1;
  asked.set(state, count);
  if (count % 2 === 1) return { "retry-after": String(seconds) };
  const at = new Date(state.settings.now().getTime() + seconds * 1000);
  return { "retry-after": at.toUTCString() };
}
