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
import type { Caller } from "./caller.ts";
import { retryAfter } from "../transport/headers.ts";
import { object } from "../objects/schema.ts";
import { poll } from "./poll.ts";

export interface AuthorizationCalls extends Pick<
  AccountSession,
  "authorization" | "deactivateAuthorization" | "respond" | "waitForAuthorization"
> {
  /** Remember which names the order's authorizations may be for. */
  expect(order: Order): void;
}

export function authorizationCalls(caller: Caller): AuthorizationCalls {
  const { exchange, send, allows } = caller;
  const ordered = new Map<string, readonly Identifier[]>();

  async function authorization(url: string, signal: AbortSignal): Promise<Authorization> {
    const answer = await send({ url, what: "authorization", signal });
    const asked = retryAfter(answer.headers, exchange.clock.now());
    const read = readAuthorization(url, answer.body, { allows, retryAfter: asked });
    const expected = ordered.get(url);
    if (expected !== undefined) assertBelongs(read, expected, allows);
    return read;
  }

  return {
    authorization,
    expect: (order) => order.authorizations.forEach((url) => ordered.set(url, order.identifiers)),
    async deactivateAuthorization(url, signal) {
      const payload = { status: "deactivated" };
      await send({ url, what: "deactivation", payload, signal, repeatable: true });
    },
    async respond({ url }, signal) {
      const what = "challenge response";
      const answer = await send({ url, what, payload: {}, signal, repeatable: true });
      object(answer.body, { what: `answer to the ${what}`, url, allows });
    },
    async waitForAuthorization(url, waiting) {
      const final = await poll<Authorization>(
        undefined,
        {
          read: () => authorization(url, waiting.signal),
          isFinal: ({ status }) => status !== "pending",
          expires: ({ expires }) => expires,
          retryAfter: (read) => read.retryAfter,
          late: (last, why) => late(url, last, why, waiting.timeout),
        },
        { clock: exchange.clock, skew: () => exchange.transport.clockSkew, waiting },
      );
      if (final.status === "valid") return final;
      const directory = await exchange.directory(waiting.signal);
      throw failedAuthorization(final, { directory, accountUrl: caller.holder.url });
    },
  };
}

function late(
  url: string,
  last: Authorization | undefined,
  why: "timeout" | "expired",
  timeout: number,
): Problem {
  const name = last === undefined ? undefined : orderedName(last);
  const who = name?.value ?? url;
  return new Problem("validation", {
    title: "The CA did not finish the validation",
    detail:
      why === "expired"
        ? `${who}: the authorization expired before the CA validated it.`
        : `${who}: the authorization is still "pending" after ${timeout / 1000} s.`,
    hint: "The CA may be busy, or may not reach the response. Run the command again later; it continues with the same order.",
    instance: url,
    identifier: name,
  });
}
