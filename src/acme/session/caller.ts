/** Signed requests of one account key. */
import { Problem } from "../../problem.ts";
import type { ExternalAccountBinding } from "../acme.ts";
import type { Exchange } from "../transport/exchange.ts";
import { errorType } from "../problems.ts";
import type { Answer } from "../transport/transport.ts";

/** The holder of an account key: the key changes with a rollover, the URL is learnt from the CA. */
export interface Holder {
  key: string;
  url: string | undefined;
}

interface Sending {
  readonly url: string;
  /** What is sent or asked for, in messages: `new order`. */
  readonly what: string;
  readonly signal: AbortSignal;
  /** `null`, or absent, reads (POST-as-GET). */
  readonly payload?: object | null;
  /** True where doing it twice is as good as once. Reading always is. */
  readonly repeatable?: boolean;
  /** Send the key itself in place of the account URL. */
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
    detail: "The CA does not know this account key yet.",
    hint: "Register first: acmectl account register",
  });
}
