import { Problem } from "../problem.ts";
import type { AccountSession, Ca } from "./acme.ts";
import { readRenewalInfo } from "./ari.ts";
import { thumbprint } from "./keys.ts";
import { certificateBlocks } from "./pem.ts";
import { accountCalls } from "./session/accounts.ts";
import { authorizationCalls } from "./session/authorizations.ts";
import { createCaller } from "./session/caller.ts";
import { orderCalls } from "./session/orders.ts";
import type { Signer } from "./signer.ts";
import { printable } from "./text.ts";
import type { Limits } from "./transport/connections.ts";
import { createExchange, type Exchange } from "./transport/exchange.ts";
import { createTransport, type TransportOptions } from "./transport/transport.ts";

export interface CaOptions extends Omit<TransportOptions, "limits"> {
  readonly url: string;
  /** How command lines name this CA and the state of this run, for hints: `--server URL`. */
  readonly flags: string;
  readonly limits?: Partial<Limits> | undefined;
}

const usual: Limits = { connect: 10_000, idle: 15_000, total: 60_000, body: 1024 * 1024 };

/** No request is made, and neither acme-client nor undici is loaded, before the first call that needs the CA. */
export function openCa(options: CaOptions): Ca {
  const { url, flags, clock, log } = options;
  if (URL.parse(url)?.protocol !== "https:") {
    throw new Problem("usage", {
      detail: `"${printable(url, 300)}" is not an https URL.`,
      hint: "Give the https URL of the directory: --server https://… (RFC 8555 §6.1).",
    });
  }
  const limits = { ...usual, ...options.limits };
  const transport = createTransport(url, { ...options, limits });
  const exchange = createExchange({ url, flags, transport, clock, log });
  return {
    url,
    flags,
    directory: (signal) => exchange.directory(signal),
    prepare: (signal) => exchange.prepare(signal),
    session: (key, accountUrl) => createSession(exchange, key, accountUrl),
    renewalInfo: (certificateId, signal) => readRenewalInfo(exchange, certificateId, signal),
    get clockSkew() {
      return transport.clockSkew;
    },
    extraRoots: certificateBlocks(options.caBundle ?? ""),
    close: () => transport.close(),
  };
}

/** The calls that the holder of one account key can make (RFC 8555 §7.3 to §7.6). */
function createSession(exchange: Exchange, key: Signer, url: string | undefined): AccountSession {
  const holder = { key, url };
  const caller = createCaller(exchange, holder);
  const authorizations = authorizationCalls(caller);
  return {
    get url() {
      return holder.url;
    },
    get thumbprint() {
      return thumbprint(holder.key.publicKey);
    },
    ...accountCalls(caller),
    ...authorizations,
    ...orderCalls(caller, authorizations),
  };
}
