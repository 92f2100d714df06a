/** How Cloudflare's package fails, and what to do about it. */
import {
  explainRefusals,
  fieldOf,
  listOf,
  lost,
  oneLine,
  Refusal,
  retryAfterIn,
  textOf,
} from "acmectl/plugin/http";
import type { Explain, Meaning } from "acmectl/plugin/http";

/** Does `work`, and rejects with a `Refusal` for an error of the package. */
export async function refused<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw refusalOf(error);
  }
}

function refusalOf(error: unknown): Refusal {
  const status = numberIn(error, "status");
  if (!(error instanceof Error) || (status === undefined && !(error instanceof SyntaxError)))
    return lost(error);
  if (status === undefined) return new Refusal({ words: oneLine(error.message) });
  const details =
    "errors" in error && Array.isArray(error.errors) ? error.errors.flatMap(detailsIn) : [];
  const words = details.map(({ code, message }) => `${message} (${code})`).join("; ");
  const headers =
    "headers" in error && error.headers instanceof Headers ? error.headers : undefined;
  return new Refusal({
    status,
    reasons: details.map(({ code }) => code),
    words: oneLine(words || `HTTP ${status} (not an answer from Cloudflare)`),
    // 409: another change of the zone is under way.
    throttled: status === 429 || status === 409,
    retryAfter: headers === undefined ? undefined : retryAfterIn(headers),
  });
}

interface Detail {
  readonly code: string;
  readonly message: string;
}

/** An error with its chain. */
function detailsIn(entry: unknown): readonly Detail[] {
  const code = numberIn(entry, "code");
  if (code === undefined) return [];
  const message = textOf(entry, "message") ?? "";
  return [{ code: String(code), message }, ...listOf(entry, "error_chain").flatMap(detailsIn)];
}

function numberIn(value: unknown, name: string): number | undefined {
  const number = fieldOf(value, name);
  return typeof number === "number" ? number : undefined;
}

/** Explains failures of an identity, e.g. `the API token (apiToken)`. */
export function explainer(identity: string): Explain {
  return explainRefusals({
    vendor: "Cloudflare",
    meanings,
    identity: () => `with ${identity}`,
    hints: {
      connection:
        "Check the connection to api.cloudflare.com:443 (proxy, firewall, captive portal, DNS). If baseUrl (CLOUDFLARE_BASE_URL) is set, that server must offer Cloudflare's API v4 and must not redirect.",
      limit:
        "Run again later, or pause other tools. A user may make 1200 requests in five minutes, dashboard and all tokens together, and is then blocked for five minutes.",
      other:
        "If it does not pass, see https://www.cloudflarestatus.com and the audit log of the account.",
    },
  });
}

const meanings: readonly Meaning[] = [
  {
    when: ["6003", "6103", "6111"],
    title: "The credential is malformed",
    hint: "Copy the credential again, without quotes, spaces or a line break. An API token belongs in apiToken, a Global API Key in apiKey.",
  },
  {
    when: ["9103"],
    title: "The email address does not belong to the key",
    hint: "Set email (CLOUDFLARE_EMAIL) to the login of the account that apiKey (CLOUDFLARE_API_KEY) belongs to. Better: create an API token with Zone:Read and DNS:Edit and set apiToken instead.",
  },
  {
    when: ({ message }) => message.includes("com.cloudflare.api.account.zone.list"),
    title: "The token may not list zones",
    hint: "Give the token Zone:Read for the zone, or set zoneId (CF_ZONE_ID; see the zone's overview page), so that no list is needed.",
  },
  {
    when: ["7000", "7003"],
    title: "No such zone id",
    hint: "Correct zoneId (CF_ZONE_ID) or accountId: an id has 32 hexadecimal digits; see the zone's overview page.",
  },
  {
    when: (refusal) =>
      refusal.status === 401 ||
      refusal.status === 403 ||
      refusal.says("1000", "1009", "9109", "10000"),
    title: "Cloudflare denies access",
    hint: "Check at https://dash.cloudflare.com/profile/api-tokens that the credential is active, that it has Zone:Read and DNS:Edit for this zone, and that its IP address filter allows this machine.",
  },
  {
    kind: "solver",
    when: ["81053", "81054"],
    title: "Another record is in the way",
    hint: "Let acmectl follow the CNAME at this name, or remove it.",
  },
  {
    when: ["9020", "9021"],
    title: "Cloudflare rejects this TTL",
    hint: "Set ttl (CLOUDFLARE_TTL) to 1 for automatic, or to 60 to 86400 seconds (Enterprise zones: from 30).",
  },
  {
    when: ["1004", "9000"],
    title: "Cloudflare rejects the record",
    hint: "Check that the name is in this zone. If zoneId (CF_ZONE_ID) is the id of another zone, correct it, or leave it out.",
  },
  {
    kind: "solver",
    when: ["81045"],
    title: "The zone is full",
    hint: "Remove records that are not needed, old _acme-challenge TXT records first: the zone has as many as its plan allows.",
  },
  {
    when: 404,
    title: "Not found at Cloudflare",
    hint: "Check zoneId (CF_ZONE_ID), that the zone was not deleted, and that these credentials may see its account.",
  },
];
