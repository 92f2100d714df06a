import { defineSolver, Problem } from "acmectl/plugin";
import type { Log, RecordType } from "acmectl/plugin";
import {
  bareTlsa,
  edited,
  plainName,
  readSets,
  recordSetSolver,
  Refusal,
} from "acmectl/plugin/http";
import type { Edits, RecordSetProvider, ZoneSource } from "acmectl/plugin/http";
import type { Api, Change, HeldSet, ManagedZone, RecordSet } from "./client.ts";
import { explainer } from "./errors.ts";

export default defineSolver({
  summary:
    "dns-01 with Google Cloud DNS, by a service account, workload identity or gcloud's login",
  challengeTypes: ["dns-01"],
  recordTypes: ["TXT", "TLSA"],
  concurrency: 4,
  options: {
    credentials: {
      type: "json",
      secret: true,
      env: ["GCE_SERVICE_ACCOUNT"],
      description:
        "JSON of a service account's key or other Google credentials, best as file:/path.",
    },
    credentialsFile: {
      type: "path",
      env: ["GOOGLE_APPLICATION_CREDENTIALS"],
      placeholder: "FILE",
      description:
        "File with that JSON; by default gcloud's application default login, then the metadata server.",
    },
    gcloudConfig: {
      type: "path",
      env: ["CLOUDSDK_CONFIG"],
      placeholder: "FOLDER",
      description: "gcloud's configuration folder; by default ~/.config/gcloud.",
    },
    impersonateServiceAccount: {
      type: "string",
      env: ["GCE_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"],
      placeholder: "ADDRESS",
      description:
        "Service account to act as; requires roles/iam.serviceAccountTokenCreator on it.",
    },
    project: {
      type: "string",
      env: ["GCE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT"],
      placeholder: "ID",
      description: "Project that has the zones; by default the one that the credentials belong to.",
    },
    zone: {
      type: "string",
      env: ["GCE_ZONE_ID"],
      placeholder: "NAME",
      description:
        "Managed zone to write to, by name or number; by default the longest that holds the name.",
    },
    allowPrivateZone: {
      type: "boolean",
      default: false,
      env: ["GCE_ALLOW_PRIVATE_ZONE"],
      description: "Use a private zone if there is no public one, for a CA inside the network.",
    },
    ttl: {
      type: "integer",
      default: 60,
      min: 0,
      max: 86_400,
      env: ["GCE_TTL"],
      description: "TTL in seconds of record sets that acmectl creates.",
    },
    apiUrl: {
      type: "url",
      default: "https://dns.googleapis.com",
      description: "Address of the Cloud DNS API, without /dns/v1.",
    },
    iamUrl: {
      type: "url",
      default: "https://iamcredentials.googleapis.com",
      description: "Address of the API for impersonation.",
    },
    metadataHost: {
      type: "string",
      default: "169.254.169.254",
      env: ["GCE_METADATA_HOST", "GCE_METADATA_IP"],
      placeholder: "HOST",
      description: "Host of the metadata server, with its port if it has one.",
    },
  },
  async create(options, context) {
    const [{ openCredentials }, { connect }] = await Promise.all([
      import("./credentials.ts"),
      import("./client.ts"),
    ]);
    const { log } = context;
    const { zone, ttl } = options;
    const credentials = await openCredentials(options, log);
    const api = connect(credentials, { ...options, log });
    const provider: RecordSetProvider<Sets, ManagedZone> = {
      vendor: "Cloud DNS",
      zoneWord: "managed zone",
      explain: explainer(credentials.identity),
      zones: zonesOf(api, options.allowPrivateZone),
      zone: zone === undefined ? undefined : { id: zone },
      hintIfOutside:
        "Leave zone (GCE_ZONE_ID) out, or limit this solver to its zone with select.zones.",
      async check({ id, name }, recordName, signal) {
        const found = name ?? (await nameOf(api, id, log, signal));
        await api.recordSets(id, recordName, "TXT", signal);
        return found;
      },
      unit: "zone",
      read: async ({ id }, names, { type, signal }) =>
        chosen(await readSets(names, (name) => api.recordSets(id, name, type, signal)), names),
      async write({ id }, edits, sets, { type, signal, changed }) {
        const change = changeFor(edits, sets, type, ttl);
        if (change.deletions.length + change.additions.length === 0) return;
        changed(edits.keys(), await api.change(id, change, signal));
      },
      // A set was changed (412), was created (409), or was removed; a zone that is gone fails when it is read again.
      isConflict: (refusal) => refusal.says("conditionNotMet", "alreadyExists", "notFound"),
      isDone: ({ id }, changeId, signal) => api.isDone(id, changeId, signal),
      donePermission: "dns.changes.get",
    };
    return recordSetSolver(provider, context);
  },
});

function zonesOf(api: Api, allowPrivateZone: boolean): ZoneSource<ManagedZone> {
  return {
    list: (signal) => api.firstZones(signal),
    named: (name, signal) => api.zones(name, signal),
    usable(zones) {
      const open = zones.filter(({ isPublic }) => isPublic);
      return open.length === 0 && allowPrivateZone ? zones : open;
    },
    nameserversOf: ({ nameServers }) => nameServers,
    describe: ({ name, id, isPublic }) => `${name} (${id}${isPublic ? "" : ", private"})`,
    where: async (signal) => ` in project ${await api.project(signal)}`,
    hintIfNone: (_name, unusable) =>
      unusable.length > 0
        ? "Set allowPrivateZone (GCE_ALLOW_PRIVATE_ZONE=true) if the CA looks from inside: the zone that holds the name is private, and a public CA cannot see it."
        : "Set project (GCE_PROJECT) to the one that has the zone, or delegate the name to a zone here by a CNAME.",
    hintIfSeveral:
      "Set zone (GCE_ZONE_ID) to the live one, or delete the one that no parent delegates to.",
  };
}

/** The DNS name of a configured zone; nothing for one given by its number, or if zones may not be listed. */
async function nameOf(api: Api, zone: string, log: Log, signal: AbortSignal) {
  try {
    const zones = await api.zones(undefined, signal);
    return zones.find(({ id }) => id === zone)?.name;
  } catch (error) {
    if (!(error instanceof Refusal) || error.status !== 403) throw error;
    log.debug(`cannot find out the name of zone ${zone}: ${error.message}`);
    return undefined;
  }
}

/** By record name. */
type Sets = ReadonlyMap<string, HeldSet>;

/** What makes the edits true and leaves everything else as it is, TTLs included. */
function changeFor(edits: Edits, held: Sets, type: RecordType, ttl: number): Change {
  const deletions: RecordSet[] = [];
  const additions: RecordSet[] = [];
  for (const [name, edit] of edits) {
    const old = held.get(name);
    const before = old?.rrdatas ?? [];
    const after =
      type === "TXT"
        ? edited(before, edit, (value) => `"${value}"`)
        : edited(before, edit, undefined, bareTlsa);
    if (after === undefined) continue;
    const set = { name: old?.name ?? `${name}.`, type, ttl: old?.ttl ?? ttl };
    if (old !== undefined) deletions.push({ ...set, rrdatas: before });
    if (after.length > 0) additions.push({ ...set, rrdatas: after });
  }
  return { deletions, additions };
}

function chosen(sets: readonly HeldSet[], names: readonly string[]): Sets {
  const found = new Map<string, HeldSet>();
  for (const set of sets) {
    const name = plainName(set.name);
    if (!names.includes(name)) continue;
    if (set.routed) throw routed(name);
    found.set(name, set);
  }
  return found;
}

function routed(name: string): Problem {
  return new Problem("config", {
    title: "The record set has a routing policy",
    detail: `Cloud DNS: the records of ${name} follow a routing policy, so no value can be added to all of its answers`,
    hint: "Turn it into a plain record set, or delegate the name to another zone by a CNAME.",
  });
}
