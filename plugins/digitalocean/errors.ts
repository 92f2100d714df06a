/** DigitalOcean's errors in words that say which domain, which name, as whom, and what to do. */
import { Problem } from "acmectl/plugin";
import type { ProblemFields, ProblemKind } from "acmectl/plugin";
import { GaveUp, innermost, Refusal } from "./answer.ts";

/** The Problem for a failed call; `doing` completes "cannot …". Problems and an aborted signal's reason pass through. */
export function problemOf(error: unknown, doing: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (Problem.is(error)) return error;
  if (error instanceof GaveUp) return explained(error.cause, doing, error.effort);
  return explained(error, doing, "");
}

function explained(error: unknown, doing: string, effort: string): unknown {
  if (Problem.is(error)) return error;
  const refusal = error instanceof Refusal ? error : undefined;
  const row = rows.find(({ when }) => when(refusal)) ?? other;
  const { status, retryAfter } = refusal ?? {};
  return new Problem(row.kind, {
    title: row.title,
    detail: `DigitalOcean: cannot ${doing} with the API token (token): ${innermost(error)}${effort}`,
    hint: row.hint,
    ...(status === undefined ? {} : { status }),
    ...(retryAfter === undefined ? {} : { retryAt: new Date(Date.now() + retryAfter) }),
  });
}

interface Row extends Required<Pick<ProblemFields, "title" | "hint">> {
  readonly kind: ProblemKind;
  /** Without a refusal no answer came. */
  readonly when: (refusal: Refusal | undefined) => boolean;
}

const rows: readonly Row[] = [
  {
    kind: "network",
    when: (refusal) =>
      refusal?.status === undefined || (refusal.status >= 300 && refusal.status < 400),
    title: "No proper answer from DigitalOcean",
    hint: "Is there a way out to api.digitalocean.com:443 (proxy, firewall, captive portal, DNS)? An address of your own (apiUrl, DO_API_URL) must speak DigitalOcean's API v2 and must not redirect.",
  },
  {
    kind: "config",
    when: (refusal) => refusal?.status === 401,
    title: "DigitalOcean does not know the token",
    hint: "It was revoked, expired or not copied whole. Make one with the scopes domain:read and domain:update at https://cloud.digitalocean.com/account/api/tokens and set token (DO_AUTH_TOKEN).",
  },
  {
    kind: "config",
    when: (refusal) => refusal?.status === 403,
    title: "The token lacks a scope",
    hint: "It needs domain:read and domain:update (or domain:create and domain:delete in place of the latter). Scopes of a token can be changed at https://cloud.digitalocean.com/account/api/tokens.",
  },
  {
    kind: "config",
    when: (refusal) => refusal?.status === 404,
    title: "Not found at DigitalOcean",
    hint: "The domain was removed, or belongs to a team that this token does not see.",
  },
  {
    kind: "solver",
    when: (refusal) => refusal?.status === 422,
    title: "DigitalOcean does not take the record",
    hint: "A CNAME at the same name stands in the way (let acmectl follow it, or remove it), or ttl (DO_TTL) is below 30.",
  },
  {
    kind: "solver",
    when: (refusal) => refusal?.status === 429,
    title: "DigitalOcean is rate limiting",
    hint: "A token may make 250 requests a minute and 5000 an hour, all of its users together. Run again later, or give acmectl a token of its own.",
  },
];

const other: Row = {
  kind: "solver",
  when: () => true,
  title: "DigitalOcean failed",
  hint: "If it does not pass, look at https://status.digitalocean.com.",
};
