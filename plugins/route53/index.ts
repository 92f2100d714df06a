import { defineSolver } from "acmectl/plugin";
import type { Log } from "acmectl/plugin";
import { plainName, readSets, recordSetSolver, Refusal } from "acmectl/plugin/http";
import type { ListedZone, RecordSetProvider, ZoneSource } from "acmectl/plugin/http";
import { batchesOf, changesFor, isSetOf } from "./changes.ts";
import type { Api, Change, HostedZone, ResourceRecordSet, Zones } from "./client.ts";
import { keysOf } from "./credentials.ts";
import { explainer } from "./errors.ts";

export default defineSolver({
  summary: "dns-01 with Amazon Route 53, by the credentials that the AWS SDK finds",
  challengeTypes: ["dns-01"],
  recordTypes: ["TXT", "TLSA"],
  concurrency: 4,
  options: {
    hostedZoneId: {
      type: "string",
      env: ["AWS_HOSTED_ZONE_ID"],
      placeholder: "ID",
      description: "Hosted zone to write to; by default the longest one that holds the name.",
    },
    privateZone: {
      type: "boolean",
      default: false,
      env: ["AWS_PRIVATE_ZONE"],
      description: "Use private hosted zones instead of public ones, for a CA inside the network.",
    },
    profile: {
      type: "string",
      placeholder: "NAME",
      description:
        "Profile of ~/.aws/config or ~/.aws/credentials; by default AWS_PROFILE, as for every AWS tool.",
    },
    region: {
      type: "string",
      env: ["AWS_REGION", "AWS_DEFAULT_REGION"],
      description:
        "AWS region; required only in GovCloud and China. By default the profile's, else us-east-1.",
    },
    accessKeyId: {
      type: "string",
      placeholder: "ID",
      description:
        "Access key id for this solver, overriding the AWS variables; requires secretAccessKey.",
    },
    secretAccessKey: {
      type: "string",
      secret: true,
      description: "Secret access key of accessKeyId.",
    },
    sessionToken: {
      type: "string",
      secret: true,
      description: "Session token of accessKeyId, if that key is temporary.",
    },
    assumeRoleArn: {
      type: "string",
      env: ["AWS_ASSUME_ROLE_ARN"],
      placeholder: "ARN",
      description: "Role to assume, for example one of the account that has the zone.",
    },
    externalId: {
      type: "string",
      env: ["AWS_EXTERNAL_ID"],
      description: "External id that the role's trust policy requires.",
    },
    ttl: {
      type: "integer",
      default: 10,
      min: 0,
      max: 86_400,
      env: ["AWS_TTL"],
      description: "TTL in seconds of record sets that acmectl creates.",
    },
    waitForInsync: {
      type: "boolean",
      default: true,
      env: ["AWS_WAIT_FOR_RECORD_SETS_CHANGED"],
      description: "Wait until Route 53 reports a change INSYNC, in addition to checking the DNS.",
    },
    maxRetries: {
      type: "integer",
      default: 7,
      min: 0,
      max: 100,
      env: ["AWS_MAX_RETRIES"],
      description: "How often a throttled or lost request is repeated.",
    },
    endpoint: {
      type: "url",
      description: "Address of the Route 53 API; AWS_ENDPOINT_URL works, too.",
    },
  },
  async create(options, context) {
    const keys = keysOf(options);
    const { privateZone, ttl } = options;
    const { log } = context;
    // The SDK takes a tenth of a second to load.
    const { connect } = await import("./client.ts");
    const api = await connect({ ...options, keys, log });
    const id = options.hostedZoneId?.replace(/^\/?hostedzone\//, "");
    const provider: RecordSetProvider<Sets, Zone> = {
      vendor: "Route 53",
      zoneWord: "hosted zone",
      explain: explainer(options),
      zones: zonesOf(api, privateZone, log),
      zone: id === undefined ? undefined : { id },
      hintIfOutside:
        "Correct hostedZoneId (AWS_HOSTED_ZONE_ID), which is the id of another zone, or leave it out.",
      async check(zone, _name, signal) {
        // Sets come by reversed name, so the zone's own are on the first page.
        const { sets } = await api.recordSets(zone.id, undefined, signal);
        const apex = sets.find(({ Type }) => Type === "SOA")?.Name;
        return apex === undefined ? undefined : plainName(apex);
      },
      unit: "zone",
      async read({ id }, names, { type, signal }) {
        const owner = (name: string | undefined) =>
          name === undefined ? undefined : { name, type };
        const sets = await readSets(names, (name) => api.recordSets(id, owner(name), signal));
        return new Map(names.map((name) => [name, sets.filter(isSetOf({ name, type }))]));
      },
      async write({ id }, edits, sets, { type, signal, changed }) {
        const planned = new Map<string, readonly Change[]>();
        for (const [name, edit] of edits) {
          const changes = changesFor({ name, type }, sets.get(name) ?? [], edit, ttl);
          if (changes.length > 0) planned.set(name, changes);
        }
        for (const { names, changes } of batchesOf(planned)) {
          const changeId = await api.change(id, changes, signal);
          if (changeId !== undefined) changed(names, changeId);
        }
      },
      isConflict,
      longestPause: 2_000,
      ...(options.waitForInsync
        ? { isDone: (_zone, changeId, signal) => api.insync(changeId, signal) }
        : {}),
      donePermission: "route53:GetChange on arn:aws:route53:::change/*",
    };
    return { ...recordSetSolver(provider, context), close: async () => api.close() };
  },
});

interface Zone extends ListedZone {
  readonly isPrivate: boolean;
}

function zonesOf(api: Api, privateZone: boolean, log: Log): ZoneSource<Zone> {
  return {
    async list(signal) {
      const { zones, all } = await firstZones(api, log, signal);
      return { zones: zones.map(zoneOf), all };
    },
    named: async (name, signal) => (await api.zonesByName(name, signal)).zones.map(zoneOf),
    usable: (zones) => zones.filter(({ isPrivate }) => isPrivate === privateZone),
    nameserversOf: ({ id, isPrivate }, signal) => (isPrivate ? [] : api.nameservers(id, signal)),
    describe: ({ name, id, isPrivate }) => `${name} (${id}${isPrivate ? ", private" : ""})`,
    hintIfNone(_name, unusable) {
      if (unusable.length === 0)
        return "Use the credentials of the account that has the zone (AWS_PROFILE, or assumeRoleArn), or delegate the name to this account by a CNAME.";
      return privateZone
        ? "Leave privateZone (AWS_PRIVATE_ZONE) out: the zone that holds the name is public."
        : "Set privateZone (AWS_PRIVATE_ZONE=true) if the CA looks from inside: the zone that holds the name is private, and a public CA cannot see it.";
    },
    hintIfSeveral:
      "Set hostedZoneId (AWS_HOSTED_ZONE_ID) to the live one, or delete the one that no parent delegates to.",
  };
}

/** cert-manager's and lego's policies allow ListHostedZonesByName, certbot's only ListHostedZones: either will do. */
async function firstZones(api: Api, log: Log, signal: AbortSignal): Promise<Zones> {
  try {
    return await api.zonesByName(undefined, signal);
  } catch (refusal) {
    if (!isDenied(refusal)) throw refusal;
    log.debug("ListHostedZonesByName is not allowed; trying ListHostedZones");
    return api.zones(signal).catch((error: unknown) => {
      throw isDenied(error) ? refusal : error;
    });
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof Refusal && error.says("AccessDenied");
}

function zoneOf({ Id = "", Name = "", Config }: HostedZone): Zone {
  const isPrivate = Config?.PrivateZone === true;
  return { id: Id.replace(/^\/hostedzone\//, ""), name: plainName(Name), isPrivate };
}

type Sets = ReadonlyMap<string, readonly ResourceRecordSet[]>;

/** AWS has one code for all refusals. A lost race is one whose words say so, or one after which the records look different. */
function isConflict(refusal: Refusal, sets: Sets, before: Sets | undefined): boolean {
  if (!refusal.says("InvalidChangeBatch")) return false;
  if (/already exists|was not found|do not match/i.test(refusal.message)) return true;
  return before === undefined || JSON.stringify([...sets]) !== JSON.stringify([...before]);
}
