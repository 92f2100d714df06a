/** Signed requests of one account key. */
import { Problem } from "../../problem.ts";
import { errorType, registerCommand } from "../hints.ts";
import type { Origin } from "../objects/schema.ts";
import type { Signer } from "../signer.ts";
import type { Exchange, Post } from "../transport/exchange.ts";
import type { Answer } from "../transport/transport.ts";

/** An account key and its account: a rollover changes the key, the CA assigns the URL. */
export interface Holder {
  key: Signer;
  url: string | undefined;
}

interface Sending extends Pick<Post, "url" | "what" | "signal" | "eab" | "accept"> {
  /** `null`, or absent, reads (POST-as-GET). */
  readonly payload?: object | null;
  /** True where doing it twice does no harm. Reading always is. */
  readonly repeatable?: boolean;
  /** Send the key itself instead of the account URL. */
  readonly byKey?: boolean;
}

export interface Caller {
  readonly exchange: Exchange;
  readonly holder: Holder;
  send(sending: Sending): Promise<Answer>;
  origin(what: string, url: string): Origin;
}

export function createCaller(exchange: Exchange, holder: Holder): Caller {
  return {
    exchange,
    holder,
    origin: (what, url) => ({ what, url, transport: exchange.transport }),
    send({ payload = null, byKey = false, repeatable = payload === null, ...sending }) {
      if (!byKey && holder.url === undefined) {
        throw new Problem(errorType("accountDoesNotExist"), {
          detail: "No account is registered for this key.",
          hint: `Register it: ${registerCommand(exchange.flags)}`,
        });
      }
      const kid = byKey ? undefined : holder.url;
      return exchange.post({ ...sending, payload, repeatable, key: holder.key, kid });
    },
  };
}
