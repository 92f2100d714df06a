import { defineSolver, Problem } from "acmectl/plugin";
import type { Log, RecordType } from "acmectl/plugin";
import { fetchWhole, misconfigured, printable, recordSolver, Refusal } from "acmectl/plugin/http";
import type { Batch, Explain, RecordProvider, ZoneSource } from "acmectl/plugin/http";
import type { Api, Credentials, ZoneEntry } from "./client.ts";
import { explainer, refused } from "./errors.ts";

export default defineSolver({
  summary: "dns-01 with Cloudflare, by API token, or by email and Global API Key",
  challengeTypes: ["dns-01"],
  recordTypes: ["TXT", "TLSA"],
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
      description: "API token with Zone:Read and DNS:Edit for the zones.",
    },
    zoneToken: {
      type: "string",
      secret: true,
      env: ["CLOUDFLARE_ZONE_API_TOKEN", "CF_ZONE_API_TOKEN"],
      description: "Separate API token with only Zone:Read, used to find zones.",
    },
    apiKey: {
      type: "string",
      secret: true,
      env: ["CLOUDFLARE_API_KEY", "CF_API_KEY", "CF_Key"],
      description: "Global API Key, which has all permissions; requires email. Prefer apiToken.",
    },
    email: {
      type: "string",
      env: ["CLOUDFLARE_EMAIL", "CLOUDFLARE_API_EMAIL", "CF_API_EMAIL", "CF_Email"],
      placeholder: "ADDRESS",
      description: "Email address of the account that the Global API Key belongs to.",
    },
    accountId: {
      type: "string",
      env: ["CLOUDFLARE_ACCOUNT_ID", "CF_ACCOUNT_ID", "CF_Account_ID"],
      placeholder: "ID",
      description: "Account whose zones are used; by default all that the credentials see.",
    },
    zoneId: {
      type: "string",
      env: ["CLOUDFLARE_ZONE_ID", "CF_ZONE_ID", "CF_Zone_ID"],
      placeholder: "ID",
      description: "Zone to write to; by default the longest one that holds the name.",
    },
    ttl: {
      type: "integer",
      default: 60,
      min: 1,
      max: 86_400,
      env: ["CLOUDFLARE_TTL", "CF_TTL"],
      description: "TTL of the records in seconds; 1 means automatic, 30 to 59 require Enterprise.",
    },
    baseUrl: {
      type: "url",
      default: "https://api.cloudflare.com/client/v4",
      env: ["CLOUDFLARE_BASE_URL"],
      description: "Address of the API.",
    },
  },
  async create(options, context) {
    const { writing, finding } = credentialsOf(options);
    if (options.ttl > 1 && options.ttl < 30)
      throw wrong(
        `ttl is ${options.ttl}`,
        "Set 1 for automatic, or 60 to 86400 seconds (Enterprise zones: from 30).",
      );
    const { connect } = await import("./client.ts");
    const { baseUrl, accountId, zoneId, ttl } = options;
    const accessOf = ({ credentials, identity }: Identity): Access => ({
      api: connect({ credentials, baseUrl, accountId, send: fetchWhole }),
      identity,
      isToken: "apiToken" in credentials,
      explain: explainer(identity),
    });
    const [reader, writer] = [accessOf(finding), accessOf(writing)];
    const { api, explain } = writer;
    const { log } = context;
    const provider: RecordProvider<ZoneEntry> = {
      vendor: "Cloudflare",
      zoneWord: "zone",
      explain,
      explainZones: reader.explain,
      zones: zonesOf(reader.api, accountId, log),
      zone: zoneId === undefined ? undefined : { id: zoneId },
      hintIfOutside:
        "Set zoneId (CF_ZONE_ID) to the id of the zone that holds the name, see its overview page; or leave zoneId out, which requires Zone:Read.",
      checkCredentials: (signal) => checkToken(writer, accountId, log, signal),
      async check({ id, name }, recordName, signal) {
        const found = name ?? (await nameOf(reader, id, log, signal));
        await refused(api.records(id, recordName, "TXT", signal));
        return found;
      },
      async find({ id }, { name, value, type }, signal) {
        const records = await refused(api.records(id, name, type, signal));
        return records
          .filter(({ content }) => bare(content, type) === value)
          .map((record) => record.id);
      },
      create: ({ id }, record, signal) => refused(api.create(id, { ...record, ttl }, signal)),
      remove: ({ id }, recordId, signal) => refused(api.remove(id, recordId, signal)),
      isDouble: (refusal) => refusal.says("81057", "81058"),
      isGone: (refusal) => refusal.says("81044"),
      batch: batchOf(api, ttl),
    };
    return recordSolver(provider, context);
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

function credentialsOf(options: CredentialOptions): {
  writing: Identity;
  finding: Identity;
} {
  const { apiToken, zoneToken } = options;
  const writing = apiToken === undefined ? keyOf(options) : tokenOf("apiToken", apiToken);
  if (apiToken !== undefined && options.apiKey !== undefined)
    throw wrong(
      "both apiToken and apiKey are set",
      "Keep the token, which can be limited to a zone. Look for leftovers among CLOUDFLARE_API_TOKEN, CF_DNS_API_TOKEN, CF_Token, CLOUDFLARE_API_KEY, CF_API_KEY and CF_Key.",
    );
  return { writing, finding: zoneToken === undefined ? writing : tokenOf("zoneToken", zoneToken) };
}

function tokenOf(option: string, value: string): Identity {
  return {
    credentials: { apiToken: printable("cloudflare", option, value) },
    identity: `the API token (${option})`,
  };
}

function keyOf({ apiKey, email }: CredentialOptions): Identity {
  if (apiKey === undefined)
    throw wrong(
      email === undefined ? "no credentials are set" : "email is set without apiKey or apiToken",
      "Set apiToken (CLOUDFLARE_DNS_API_TOKEN) to an API token with Zone:Read and DNS:Edit, created at https://dash.cloudflare.com/profile/api-tokens.",
    );
  if (email === undefined)
    throw wrong(
      "apiKey is set without email",
      "Set email (CLOUDFLARE_EMAIL) to the login of the account, or use an API token instead.",
    );
  const credentials = {
    apiKey: printable("cloudflare", "apiKey", apiKey),
    email: printable("cloudflare", "email", email),
  };
  return { credentials, identity: `the Global API Key of ${email}` };
}

function wrong(what: string, hint: string): Problem {
  return misconfigured("cloudflare", what, hint);
}

function batchOf(api: Api, ttl: number): Batch {
  return {
    // Free zones take 200 operations.
    most: 100,
    async create({ id }, records, signal) {
      const wanted = records.map((record) => ({ ...record, ttl }));
      const made = await refused(api.createAll(id, wanted, signal));
      const ids = new Map(
        made.map(({ id, name, content }) => [`${name} ${bare(content, "TXT")}`, id]),
      );
      return records.map(({ name, value }) => ids.get(`${name} ${value}`));
    },
    remove: ({ id }, ids, signal) => refused(api.removeAll(id, ids, signal)),
  };
}

interface Access {
  readonly api: Api;
  readonly identity: string;
  /** The state of a token can be asked for, that of a key cannot. */
  readonly isToken: boolean;
  readonly explain: Explain;
}

function zonesOf(api: Api, accountId: string | undefined, log: Log): ZoneSource<ZoneEntry> {
  return {
    list: (signal) => refused(api.zones(undefined, signal)),
    // Cloudflare serves no top-level domain.
    named: async (name, signal) =>
      name.includes(".") ? (await refused(api.zones(name, signal))).zones : [],
    usable: (zones) => activeFirst(zones, log),
    describe: ({ name, id, status, account }) => `${name} (${id}, ${status}, account ${account})`,
    where: () => (accountId === undefined ? "" : ` in account ${accountId}`),
    hintIfNone: () =>
      "Use a token (apiToken, or zoneToken for the look-up) that has Zone:Read for the zone, set zoneId (CF_ZONE_ID), or delegate the name to a zone here by a CNAME.",
    hintIfSeveral:
      "Set accountId (CF_ACCOUNT_ID) to the account that is meant, or zoneId (CF_ZONE_ID) to the zone.",
  };
}

function activeFirst(zones: readonly ZoneEntry[], log: Log): readonly ZoneEntry[] {
  const active = zones.filter(({ status }) => status === "active");
  if (active.length > 0) return active;
  for (const { name, id, status } of zones)
    log.warn(
      `zone ${name} (${id}) is ${status}, not active: it may not be delegated to Cloudflare yet`,
    );
  return zones;
}

/** The name of a configured zone; nothing for a token that may write to the zone but not read it. */
function nameOf({ api, explain }: Access, zoneId: string, log: Log, signal: AbortSignal) {
  return explain(`read zone ${zoneId}`, signal, async () => {
    try {
      return await refused(api.zoneName(zoneId, signal));
    } catch (error) {
      const isDenied =
        error instanceof Refusal && (error.status === 403 || error.says("1009", "9109", "10000"));
      if (!isDenied) throw error;
      log.debug(`cannot find out the name of zone ${zoneId}: ${error.message}`);
      return undefined;
    }
  });
}

/** Detects disabled or expired tokens. A refusal here proves nothing: an account's token may be asked for only there. */
async function checkToken(
  { api, identity, isToken }: Access,
  accountId: string | undefined,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  if (!isToken) return;
  try {
    // Asked once: what has to succeed finds out whether Cloudflare can be reached.
    const state = await refused(api.verify(undefined, signal)).catch((error: unknown) => {
      if (accountId === undefined || (error instanceof Refusal && error.lost)) throw error;
      return refused(api.verify(accountId, signal));
    });
    const { id, status, expires } = state;
    log.debug(`token id ${id} is ${status}`, { expires: expires ?? "never" });
    if (status === "active") return;
    throw new Problem("config", {
      title: "The API token is not active",
      detail: `Cloudflare: ${identity} (token id ${id}) is ${status}${expires === undefined ? "" : `, expiry ${expires}`}`,
      hint: "Enable, renew or replace the token at https://dash.cloudflare.com/profile/api-tokens.",
    });
  } catch (error) {
    signal.throwIfAborted();
    if (Problem.is(error)) throw error;
    log.debug(`cannot verify the token: ${String(error)}`);
  }
}

/** TXT is written with quotes, but the dashboard and older clients store it without. */
const bare = (content: string, type: RecordType) =>
  type === "TLSA" ? content.toLowerCase() : content.replace(/^"(.*)"$/, "$1");
