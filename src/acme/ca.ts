/** Opens a certificate authority by its directory URL. */
import type { Clock } from "../clock.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { Ca } from "./acme.ts";
import { readRenewalInfo } from "./ari.ts";
import { createExchange } from "./transport/exchange.ts";
import { createSession } from "./session/session.ts";
import { certificateBlocks } from "./pem.ts";
import { printable } from "./text.ts";
import type { Limits } from "./transport/dispatcher.ts";
import { createTransport } from "./transport/transport.ts";

export interface CaOptions {
  /** The directory, https. */
  readonly url: string;
  /** `acmectl/x.y.z (+url) node/v…`, sent with every request. */
  readonly userAgent: string;
  /** PEM text of roots to trust beside the default ones. */
  readonly caBundle?: string | undefined;
  /** Read for HTTPS_PROXY, ALL_PROXY and NO_PROXY, in either case. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** Removes secrets from what the CA says in an error, before it is cut to a length. */
  readonly redact?: ((text: string) => string) | undefined;
  readonly clock: Clock;
  /** Requests under way at once; 4 when absent. */
  readonly concurrency?: number | undefined;
  readonly limits?: Partial<Limits> | undefined;
  /** Let the CA choose HTTP/2; off when absent. */
  readonly http2?: boolean | undefined;
}

const usual: Limits = { connect: 10_000, idle: 15_000, total: 60_000, body: 1024 * 1024 };

/** No request is made, and neither acme-client nor undici is loaded, before the first call that needs the CA. */
export function openCa(options: CaOptions): Ca {
  const { url, clock, log, concurrency = 8 } = options;
  assertHttps(url);
  const transport = createTransport(url, {
    ...options,
    http2: options.http2 ?? false,
    limits: { ...usual, ...options.limits },
  });
  const exchange = createExchange(url, { transport, clock, log, concurrency });
  return {
    url,
    directory: (signal) => exchange.directory(signal),
    session: (key, accountUrl) => createSession(exchange, key, accountUrl),
    renewalInfo: (certificateId, signal) => readRenewalInfo(exchange, certificateId, signal),
    get clockSkew() {
      return transport.clockSkew;
    },
    extraRoots: certificateBlocks(options.caBundle ?? ""),
    close: () => transport.close(),
  };
}

function assertHttps(url: string): void {
  if (URL.parse(url)?.protocol === "https:") return;
  throw new Problem("usage", {
    detail: `"${printable(url, 300)}" is not an https URL.`,
    hint: "Give the https URL of the directory: --server https://… (RFC 8555 §6.1).",
  });
}
