import { NoReply } from "./transport.ts";

export interface HttpsExchange<T> {
  readonly url: string;
  readonly query: Buffer;
  readonly read: (message: Buffer) => T | undefined;
  readonly timeout: number;
  readonly signal: AbortSignal;
  readonly fetch: typeof fetch;
}

const largest = 65_535;

/** Ask by DNS over HTTPS: a POST of the message (RFC 8484 §4.1). */
export async function exchangeByHttps<T>(exchange: HttpsExchange<T>): Promise<T> {
  const { url, query, read, timeout, signal } = exchange;
  const limit = AbortSignal.timeout(timeout);
  try {
    const response = await exchange.fetch(url, {
      method: "POST",
      headers: { "content-type": "application/dns-message", accept: "application/dns-message" },
      body: new Uint8Array(query),
      redirect: "error",
      signal: AbortSignal.any([signal, limit]),
    });
    if (!response.ok) throw new NoReply(`HTTP status ${response.status}`);
    const value = read(await bounded(response));
    if (value === undefined) throw new NoReply("answer to another question");
    return value;
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted) throw new NoReply("timeout", { cause: error });
    throw error instanceof TypeError ? new NoReply(reasonOf(error), { cause: error }) : error;
  }
}

async function bounded(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.byteLength;
    if (length > largest) throw new NoReply("answer too large");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** fetch says only "fetch failed"; the cause has the code. */
function reasonOf(error: TypeError): string {
  const { cause } = error;
  if (cause instanceof Error) {
    return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
  }
  return error.message;
}
