/** Calls on authorizations and challenges (RFC 8555 §7.5). */
import type { Identifier } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import type { AccountSession, Authorization, Order } from "../acme.ts";
import {
  assertBelongs,
  failedAuthorization,
  orderedName,
  readAuthorization,
} from "../objects/authorization.ts";
import { object } from "../objects/schema.ts";
import { retryAfter } from "../transport/headers.ts";
import type { Caller } from "./caller.ts";
import { poll } from "./poll.ts";

export interface AuthorizationCalls extends Pick<
  AccountSession,
  "authorization" | "deactivateAuthorization" | "respond" | "waitForAuthorization"
> {
  /** Remember which names the order's authorizations may be for. */
  expect(order: Order): void;
}

export function authorizationCalls(caller: Caller): AuthorizationCalls {
  const { exchange } = caller;
  const ordered = new Map<string, readonly Identifier[]>();

  async function authorization(url: string, signal: AbortSignal): Promise<Authorization> {
    const answer = await caller.send({ url, what: "authorization", signal });
    const origin = caller.origin("authorization", url);
    const asked = retryAfter(answer.headers, exchange.clock.now());
    const read = readAuthorization(origin, answer.body, asked);
    const expected = ordered.get(url);
    if (expected !== undefined) assertBelongs(read, expected, origin);
    return read;
  }

  return {
    authorization,
    expect: (order) => order.authorizations.forEach((url) => ordered.set(url, order.identifiers)),
    async deactivateAuthorization(url, signal) {
      const payload = { status: "deactivated" };
      await caller.send({ url, what: "deactivation", payload, signal, repeatable: true });
    },
    async respond({ url }, signal) {
      const what = "challenge response";
      const answer = await caller.send({ url, what, payload: {}, signal, repeatable: true });
      object(answer.body, caller.origin(`answer to the ${what}`, url));
    },
    async waitForAuthorization(url, waiting) {
      const asked = {
        read: () => authorization(url, waiting.signal),
        isFinal: ({ status }: Authorization) => status !== "pending",
        late: (last: Authorization | undefined, why: "timeout" | "expired") =>
          late(url, last, why, waiting.timeout),
      };
      const final = await poll(undefined, asked, exchange, waiting);
      if (final.status === "valid") return final;
      const directory = await exchange.directory(waiting.signal);
      throw failedAuthorization(
        final,
        { directory, accountUrl: caller.holder.url },
        exchange.clock.now(),
      );
    },
  };
}

function late(
  url: string,
  last: Authorization | undefined,
  why: "timeout" | "expired",
  timeout: number,
): Problem {
  const name = last && orderedName(last);
  const subject = name?.value ?? url;
  return new Problem("validation", {
    title: "The CA did not finish the validation",
    detail:
      why === "expired"
        ? `${subject}: the authorization expired before the CA validated it.`
        : `${subject}: the authorization is still "pending" after ${timeout / 1000} s.`,
    hint: "Run the command again later; it continues with the same order. The CA may be busy, or may not reach the response.",
    instance: url,
    identifier: name,
  });
}
