/** Signed requests of one account key. */
import { Problem } from "../../problem.ts";
import type { ExternalAccountBinding } from "../acme.ts";
import type { Exchange } from "../transport/exchange.ts";
import { errorType } from "../problems.ts";
import type { Answer } from "../transport/transport.ts";

/** An account key and its account: a rollover changes the key, the CA assigns the URL. */
export interface Holder {
  key: string;
  url: string | undefined;
}

interface Sending {
  readonly url: string;
  /** For messages: `new order`. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** `null`, or absent, reads (POST-as-GET). */
  readonly payload?: object | null;
  /** True where doing it twice does no harm. Reading always is. */
  readonly repeatable?: boolean;
  /** Send the key itself instead of the account URL. */
  readonly byKey?: boolean;
  readonly eab?: ExternalAccountBinding | undefined;
  readonly accept?: string;
}

export interface Caller {
  readonly exchange: Exchange;
  readonly holder: Holder;
  readonly send: (sending: Sending) => Promise<Answer>;
  readonly allows: (url: string) => boolean;
}

export function createCaller(exchange: Exchange, holder: Holder): Caller {
  return {
    exchange,
    holder,
    allows: (url) => exchange.transport.allows(url),
    send({ payload = null, byKey = false, repeatable = payload === null, ...sending }) {
      if (!byKey && holder.url === undefined) throw unknownAccount();
      const kid = byKey ? undefined : holder.url;
      return exchange.post({ ...sending, payload, repeatable, key: holder.key, kid });
    },
  };
}

function unknownAccount(): Problem {
  return new Problem(errorType("accountDoesNotExist"), {
    detail: "No account is registered for this key.",
    hint: "Register it: acmectl account register",
  });
}
