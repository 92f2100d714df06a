/** Cloudflare's errors in words that say which zone, which name, as whom, and what to do. */
import { Problem } from "acmectl/plugin";
import type { ProblemFields, ProblemKind } from "acmectl/plugin";
import { failureOf, says } from "./failure.ts";
import type { Failure } from "./failure.ts";

/** What was being done when the error came. */
export interface Attempt {
  /** Completes "Cloudflare: cannot …", names and zones included. */
  readonly doing: string;
  /** Whose credentials were sent, e.g. `the API token (apiToken)`. */
  readonly identity: string;
}

/** The Problem for an error of the package. Problems and an aborted signal's reason pass through. */
export function problemOf(error: unknown, attempt: Attempt, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (Problem.is(error)) return error;
  const failure = failureOf(error);
  const row = rows.find(({ when }) => when(failure)) ?? other;
  const detail = `Cloudflare: cannot ${attempt.doing} with ${attempt.identity}: ${failure.message}${failure.effort}`;
  return new Problem(row.kind, {
    detail,
    ...row.words(attempt),
    ...(failure.status === undefined ? {} : { status: failure.status }),
    ...retryAt(failure),
  });
}

interface Row {
  readonly kind: ProblemKind;
  readonly when: (failure: Failure) => boolean;
  readonly words: (attempt: Attempt) => Pick<ProblemFields, "title" | "hint">;
}

const rows: readonly Row[] = [
  {
    kind: "config",
    when: (failure) => says(failure, 6003, 6103, 6111),
    words: () => ({
      title: "The credential is malformed",
      hint: "Cloudflare cannot even read it. Was it copied whole, without quotes, spaces or a line break? A Global API Key is no API token, nor the other way round.",
    }),
  },
  {
    kind: "config",
    when: (failure) => says(failure, 9103),
    words: () => ({
      title: "E-mail and key do not belong together",
      hint: "email (CLOUDFLARE_EMAIL) must be the login of the account whose Global API Key apiKey (CLOUDFLARE_API_KEY) is. Better: make an API token with Zone:Read and DNS:Edit and set apiToken instead.",
    }),
  },
  {
    kind: "config",
    when: ({ message }) => message.includes("com.cloudflare.api.account.zone.list"),
    words: () => ({
      title: "The token may not list zones",
      hint: "Give it Zone:Read for the zone, or set zoneId (CF_ZONE_ID; it stands on the zone's overview page) and no list is needed.",
    }),
  },
  {
    kind: "config",
    when: (failure) => says(failure, 7000, 7003),
    words: () => ({
      title: "No such zone id",
      hint: "zoneId (CF_ZONE_ID) or accountId is not an id of Cloudflare's: 32 hexadecimal digits, from the zone's overview page.",
    }),
  },
  {
    kind: "config",
    when: (failure) =>
      says(failure, 1000, 1009, 9109, 10_000) || failure.status === 401 || failure.status === 403,
    words: ({ identity }) => ({
      title: "Cloudflare denies the access",
      hint: `Check ${identity}: is it active, does it have Zone:Read and DNS:Edit for this very zone, and does its IP address filter allow this machine? See https://dash.cloudflare.com/profile/api-tokens.`,
    }),
  },
  {
    kind: "solver",
    when: (failure) => says(failure, 81_053, 81_054),
    words: () => ({
      title: "Another record stands in the way",
      hint: "There is a CNAME at this name. Let acmectl follow it, or remove it.",
    }),
  },
  {
    kind: "config",
    when: (failure) => says(failure, 9020, 9021),
    words: () => ({
      title: "Cloudflare does not take this TTL",
      hint: "ttl (CLOUDFLARE_TTL) is 1 for automatic, or 60 to 86400 seconds (from 30 for Enterprise zones).",
    }),
  },
  {
    kind: "config",
    when: (failure) => says(failure, 1004, 9000),
    words: () => ({
      title: "Cloudflare does not take the record",
      hint: "Is the name in this zone? If zoneId (CF_ZONE_ID) is set, it may be the id of another one: correct it, or leave it out and the zone is found by the name.",
    }),
  },
  {
    kind: "solver",
    when: (failure) => says(failure, 81_045),
    words: () => ({
      title: "The zone is full",
      hint: "The plan's number of records is reached: remove some, old _acme-challenge TXT records first.",
    }),
  },
  {
    kind: "solver",
    when: ({ status }) => status === 429,
    words: () => ({
      title: "Cloudflare is rate limiting",
      hint: "1200 requests in five minutes are allowed for a user, dashboard and all tokens together; whoever exceeds them is blocked for five minutes. Run again later, or let other tools pause.",
    }),
  },
  {
    kind: "config",
    when: ({ status }) => status === 404,
    words: () => ({
      title: "Not found at Cloudflare",
      hint: "The zone was deleted, belongs to an account that these credentials do not see, or zoneId (CF_ZONE_ID) is wrong.",
    }),
  },
  {
    kind: "network",
    when: ({ status = 300 }) => status >= 300 && status < 400,
    words: () => ({
      title: "No proper answer from Cloudflare",
      hint: "Is there a way out to api.cloudflare.com:443 (proxy, firewall, captive portal, DNS)? An address of your own (baseUrl, CLOUDFLARE_BASE_URL) must speak Cloudflare's API v4 and must not redirect.",
    }),
  },
];

const other: Row = {
  kind: "solver",
  when: () => true,
  words: () => ({
    hint: "If it does not pass, look at https://www.cloudflarestatus.com and the audit log of the account.",
  }),
};

function retryAt({ retryAfter }: Failure) {
  return retryAfter === undefined ? {} : { retryAt: new Date(Date.now() + retryAfter) };
}
