import { Problem, defineSolver } from "acmectl/plugin";
import type { Credentials } from "./client.ts";

/** dns-01 with Cloudflare. */
export default defineSolver({
  summary: "dns-01 with Cloudflare, by API token, or by e-mail and Global API Key",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    apiToken: {
      type: "string",
      secret: true,
      env: [
        "CLOUDFLARE_DNS_API_TOKEN",
        "CF_DNS_API_TOKEN",
        "CLOUDFLARE_API_TOKEN",
        "CF_API_TOKEN",
        "CF_Token",
      ],
      description: "An API token with Zone:Read and DNS:Edit for the zones.",
    },
    zoneToken: {
      type: "string",
      secret: true,
      env: ["CLOUDFLARE_ZONE_API_TOKEN", "CF_ZONE_API_TOKEN"],
      description: "Another API token, with Zone:Read alone, to find zones with.",
    },
    apiKey: {
      type: "string",
      secret: true,
      env: ["CLOUDFLARE_API_KEY", "CF_API_KEY", "CF_Key"],
      description:
        "The Global API Key, which may do everything; needs email. An apiToken is better.",
    },
    email: {
      type: "string",
      env: ["CLOUDFLARE_EMAIL", "CLOUDFLARE_API_EMAIL", "CF_API_EMAIL", "CF_Email"],
      placeholder: "ADDRESS",
      description: "The login that the Global API Key belongs to.",
    },
    accountId: {
      type: "string",
      env: ["CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID", "CF_Account_ID"],
      placeholder: "ID",
      description: "Look for zones in this account alone.",
    },
    zoneId: {
      type: "string",
      env: ["CLOUDFLARE_ZONE_ID", "CF_ZONE_ID", "CF_Zone_ID"],
      placeholder: "ID",
      description:
        "The zone to write to, so that DNS:Edit is enough; without it the longest zone that fits the name.",
    },
    ttl: {
      type: "integer",
      default: 60,
      min: 1,
      max: 86_400,
      env: ["CLOUDFLARE_TTL", "CF_TTL"],
      description:
        "Seconds that resolvers may keep the record; 1 means automatic, 30 to 59 are for Enterprise zones.",
    },
    baseUrl: {
      type: "url",
      default: "https://api.cloudflare.com/client/v4",
      env: ["CLOUDFLARE_BASE_URL"],
      description: "Another address of the API.",
    },
  },
  async create(options, context) {
    const { writing, finding } = credentialsOf(options);
    if (options.ttl > 1 && options.ttl < 30)
      throw wrong(
        `ttl is ${options.ttl}`,
        "Set 1 for automatic, or 60 to 86400 seconds (from 30 for Enterprise zones).",
      );
    const [{ connect }, { solve }] = await Promise.all([
      import("./client.ts"),
      import("./solver.ts"),
    ]);
    const party = ({ credentials, identity }: Identity) => ({
      api: connect(credentials, options.baseUrl),
      identity,
      isToken: "apiToken" in credentials,
    });
    return solve(party(finding), party(writing), { ...options, log: context.log });
  },
});

interface CredentialOptions {
  readonly apiToken: string | undefined;
  readonly zoneToken: string | undefined;
  readonly apiKey: string | undefined;
  readonly email: string | undefined;
}

interface Identity {
  readonly credentials: Credentials;
  readonly identity: string;
}

function credentialsOf(options: CredentialOptions): { writing: Identity; finding: Identity } {
  const { apiToken, zoneToken } = options;
  const writing = apiToken === undefined ? keyOf(options) : tokenOf("apiToken", apiToken);
  if (apiToken !== undefined && options.apiKey !== undefined)
    throw wrong(
      "both apiToken and apiKey are set",
      "Keep one: the token, for it can be limited to a zone. Look for leftovers among CLOUDFLARE_API_TOKEN, CF_DNS_API_TOKEN, CF_Token, CLOUDFLARE_API_KEY, CF_API_KEY and CF_Key.",
    );
  return { writing, finding: zoneToken === undefined ? writing : tokenOf("zoneToken", zoneToken) };
}

function tokenOf(option: string, value: string): Identity {
  return {
    credentials: { apiToken: printable(option, value) },
    identity: `the API token (${option})`,
  };
}

function keyOf({ apiKey, email }: CredentialOptions): Identity {
  if (apiKey === undefined)
    throw wrong(
      email === undefined ? "there are no credentials" : "email is set without apiKey or apiToken",
      "Set apiToken (CLOUDFLARE_DNS_API_TOKEN) to an API token with Zone:Read and DNS:Edit, made at https://dash.cloudflare.com/profile/api-tokens.",
    );
  if (email === undefined)
    throw wrong(
      "apiKey is set without email",
      "Set email (CLOUDFLARE_EMAIL) to the login of the account, or use an API token instead.",
    );
  const credentials = { apiKey: printable("apiKey", apiKey), email: printable("email", email) };
  return { credentials, identity: `the Global API Key of ${email}` };
}

/** Anything else would be refused by the HTTP library, with the secret in its message. */
function printable(option: string, value: string): string {
  if (/^[\x21-\x7e]+$/.test(value)) return value;
  throw wrong(
    `${option} holds ${value === "" ? "nothing" : "a space, a line break or another character that no credential has"}`,
    "Copy it again, whole and without anything around it; a file holds it alone on its first line.",
  );
}

function wrong(what: string, hint: string): Problem {
  return new Problem("config", { detail: `Solver cloudflare: ${what}`, hint });
}
