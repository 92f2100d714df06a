/** The calls that the holder of one account key can make (RFC 8555 §7.3 to §7.6). */
import type { AccountSession } from "../acme.ts";
import { accountCalls } from "./accounts.ts";
import { authorizationCalls } from "./authorizations.ts";
import { createCaller } from "./caller.ts";
import { downloadCalls } from "./download.ts";
import type { Exchange } from "../transport/exchange.ts";
import { thumbprint } from "../keys.ts";
import { orderCalls } from "./orders.ts";

/** Makes no request. `key` is PKCS#8 PEM. */
export function createSession(
  exchange: Exchange,
  key: string,
  url: string | undefined,
): AccountSession {
  const holder = { key, url };
  const caller = createCaller(exchange, holder);
  const authorizations = authorizationCalls(caller);
  return {
    get url() {
      return holder.url;
    },
    get thumbprint() {
      return thumbprint(holder.key);
    },
    ...accountCalls(caller),
    ...authorizations,
    ...orderCalls(caller, authorizations),
    ...downloadCalls(caller),
  };
}
