import { defineSolver, Problem } from "acmectl/plugin";
import type { RecordType } from "acmectl/plugin";
import { bareTlsa, edited, plainName, recordSetSolver, suffixesOf } from "acmectl/plugin/http";
import type { Edit, ProviderZone, RecordSetProvider, ZoneSource } from "acmectl/plugin/http";
import type { Api, DnsZone, RecordSet } from "./client.ts";
import { explainer } from "./errors.ts";
import { options } from "./options.ts";

export default defineSolver({
  summary:
    "dns-01 with Azure DNS, by an app registration, workload or managed identity, or az's login",
  challengeTypes: ["dns-01"],
  recordTypes: ["TXT", "TLSA"],
  concurrency: 4,
  options,
  async create(options, context) {
    const [{ openCredentials }, { cloudOf, connect }] = await Promise.all([
      import("./credentials.ts"),
      import("./client.ts"),
    ]);
    const { log } = context;
    const { resourceGroup, ttl, privateZone } = options;
    const settings = { ...options, ...cloudOf(options), log };
    const credentials = openCredentials(settings, log);
    const api = connect(credentials, settings);
    const name = options.zone === undefined ? undefined : plainName(options.zone);
    const provider: RecordSetProvider<RecordSet | undefined, DnsZone> = {
      vendor: "Azure DNS",
      zoneWord: "zone",
      explain: explainer(() => credentials.identity()),
      zones: zonesOf(api, { zone: name, resourceGroup, privateZone }),
      zone: (recordName, signal) =>
        zoneBy(api, { zone: name, resourceGroup, privateZone }, recordName, signal),
      showZone: zoneText,
      hintIfOutside:
        "Leave zone (AZURE_ZONE_NAME) out, or limit this solver to its zone with select.zones.",
      async check({ id, name }, recordName, signal) {
        const set = await api.recordSet(id, { name: recordName, type: "TXT" }, signal);
        if (set === undefined) await api.checkZone(id, signal);
        return name;
      },
      unit: "name",
      async read({ id }, [name = ""], { type, signal }) {
        if (privateZone && type === "TLSA") throw noTlsa(name);
        return api.recordSet(id, { name, type }, signal);
      },
      async write(zone, edits, old, { type, signal }) {
        for (const [name, edit] of edits) {
          const records = recordsAfter(old, edit, type);
          if (records === undefined) continue;
          if (edit.add.length > 0) refuseFull(`${name} in zone ${zoneText(zone)}`, records, type);
          const owner = { name, type };
          const set = { ttl: old?.ttl ?? ttl, records, metadata: old?.metadata };
          if (records.length > 0) await api.write(zone.id, owner, set, old, signal);
          else if (old !== undefined) await api.remove(zone.id, owner, old, signal);
        }
      },
      // Another write came first, or is in progress; a lock stays.
      isConflict: (refusal) =>
        refusal.status === 412 || (refusal.status === 409 && !refusal.says("ScopeLocked")),
    };
    return recordSetSolver(provider, context);
  },
});

const mostRecords = 20;

function kindOf(privateZone: boolean) {
  return privateZone ? "private" : "public";
}

interface Choice {
  readonly zone: string | undefined;
  readonly resourceGroup: string | undefined;
  readonly privateZone: boolean;
}

/** The configured zone, where it is known without a list; one that does not hold the name is reported by that. */
async function zoneBy(
  api: Api,
  { zone: name, resourceGroup, privateZone }: Choice,
  recordName: string,
  signal: AbortSignal,
): Promise<ProviderZone | undefined> {
  if (name === undefined) return undefined;
  if (resourceGroup !== undefined)
    return { id: await api.zoneId(kindOf(privateZone), resourceGroup, name, signal), name };
  return suffixesOf(recordName).includes(name) ? undefined : { id: name, name };
}

function zonesOf(api: Api, { zone, resourceGroup, privateZone }: Choice): ZoneSource<DnsZone> {
  return {
    list: async (signal) => ({ zones: await api.zones(kindOf(privateZone), signal), all: true }),
    usable: (zones) =>
      zones.filter(
        ({ name, isPublic }) => (isPublic || privateZone) && (zone === undefined || name === zone),
      ),
    nameserversOf: ({ nameServers }) => nameServers,
    describe: zoneText,
    where: () => (resourceGroup === undefined ? "" : ` in resource group ${resourceGroup}`),
    async hintIfNone(recordName, unusable, signal) {
      const hidden = privateZone ? [] : await api.zones("private", signal).catch(() => []);
      const suffixes = suffixesOf(recordName);
      return unusable.length > 0 || hidden.some(({ name }) => suffixes.includes(name))
        ? "Set privateZone (AZURE_PRIVATE_ZONE=true) if the CA looks from inside: the zone that holds the name is private, and a public CA cannot see it."
        : "Set subscriptionId (AZURE_SUBSCRIPTION_ID) to the one that has the zone, grant the identity the role Reader on the zone, or delegate the name to a zone here by a CNAME.";
    },
    hintIfSeveral:
      "Set resourceGroup (AZURE_RESOURCE_GROUP) to that of the live one, or delete the one that no parent delegates to.",
  };
}

/** `example.com (resource group dns)`. */
function zoneText({ id, name = id }: ProviderZone): string {
  const group = /\/resourceGroups\/([^/]+)\//i.exec(id)?.[1];
  return group === undefined ? name : `${name} (resource group ${group})`;
}

/** The records after an edit; nothing if it is so already. */
function recordsAfter(
  old: RecordSet | undefined,
  edit: Edit,
  type: RecordType,
): RecordSet["records"] | undefined {
  const before = new Map((old?.records ?? []).map((record) => [record.join(""), record]));
  const alike = type === "TLSA" ? bareTlsa : undefined;
  const after = edited([...before.keys()], edit, undefined, alike);
  return after?.map((value) => before.get(value) ?? [value]);
}

function refuseFull(place: string, { length }: RecordSet["records"], type: RecordType): void {
  if (length <= mostRecords) return;
  throw new Problem("solver", {
    title: "The record set is full",
    detail: `Azure: ${place} would have ${length} ${type} records, and Azure allows ${mostRecords}`,
    hint: "Remove records that are not needed, left behind by other tools.",
  });
}

function noTlsa(name: string): Problem {
  return new Problem("config", {
    title: "No TLSA records in private zones",
    detail: `Azure: private zones cannot have TLSA records, such as that of ${name}`,
    hint: "Use a public zone (privateZone: false), or leave dane out.",
  });
}
