import { defineSolver, Problem } from "acmectl/plugin";
import { edited, plainName, recordSetSolver, suffixesOf, zoneFinder } from "acmectl/plugin/http";
import type { Edit, ProviderZone, ZoneSource } from "acmectl/plugin/http";
import type { Api, DnsZone, RecordSet } from "./client.ts";
import { explainer } from "./errors.ts";

/** dns-01 with Azure DNS. */
export default defineSolver({
  summary:
    "dns-01 with Azure DNS, by an app registration, workload or managed identity, or az's login",
  challengeTypes: ["dns-01"],
  concurrency: 4,
  options: {
    subscriptionId: {
      type: "string",
      env: ["AZURE_SUBSCRIPTION_ID", "AZUREDNS_SUBSCRIPTIONID", "ARM_SUBSCRIPTION_ID"],
      placeholder: "ID",
      description: "Subscription that has the zones; required if the identity sees several.",
    },
    resourceGroup: {
      type: "string",
      env: ["AZURE_RESOURCE_GROUP"],
      placeholder: "NAME",
      description: "Resource group that has the zones; by default all groups.",
    },
    zone: {
      type: "string",
      env: ["AZURE_ZONE_NAME"],
      placeholder: "ZONE",
      description: "Zone to write to; by default the longest one that holds the name.",
    },
    privateZone: {
      type: "boolean",
      default: false,
      env: ["AZURE_PRIVATE_ZONE"],
      description: "Use private zones instead of public ones, for a CA inside the network.",
    },
    tenantId: {
      type: "string",
      env: ["AZURE_TENANT_ID", "AZUREDNS_TENANTID", "ARM_TENANT_ID"],
      placeholder: "ID",
      description: "Directory (tenant) of the app registration, by id or domain.",
    },
    clientId: {
      type: "string",
      env: ["AZURE_CLIENT_ID", "AZUREDNS_APPID", "ARM_CLIENT_ID"],
      placeholder: "ID",
      description: "Application (client) id, or that of a user-assigned managed identity.",
    },
    clientSecret: {
      type: "string",
      secret: true,
      env: ["AZURE_CLIENT_SECRET", "AZUREDNS_CLIENTSECRET", "ARM_CLIENT_SECRET"],
      description: "Value (not the id) of a client secret of the app registration.",
    },
    clientCertificate: {
      type: "path",
      env: ["AZURE_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_CERTIFICATE_PATH"],
      placeholder: "FILE",
      description: "PEM file with a certificate of the app registration and its key.",
    },
    clientCertificatePassword: {
      type: "string",
      secret: true,
      env: ["AZURE_CLIENT_CERTIFICATE_PASSWORD", "ARM_CLIENT_CERTIFICATE_PASSWORD"],
      description: "Password of the key in clientCertificate, if it has one.",
    },
    federatedTokenFile: {
      type: "path",
      env: ["AZURE_FEDERATED_TOKEN_FILE"],
      placeholder: "FILE",
      description: "File with a token that the app registration trusts, as Kubernetes mounts it.",
    },
    oidcRequestUrl: {
      type: "url",
      env: ["ACTIONS_ID_TOKEN_REQUEST_URL"],
      description: "Address of the token service of GitHub Actions; GitHub sets it.",
    },
    oidcRequestToken: {
      type: "string",
      secret: true,
      env: ["ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
      description: "Token for the token service of GitHub Actions; GitHub sets it.",
    },
    accessToken: {
      type: "string",
      secret: true,
      env: ["AZUREDNS_BEARERTOKEN"],
      description: "Access token for Azure's management API, used until it expires.",
    },
    authMethod: {
      type: "string",
      choices: ["env", "wli", "oidc", "msi", "cli"],
      env: ["AZURE_AUTH_METHOD"],
      description:
        "Only method to use: env (secret or certificate), wli (federatedTokenFile), oidc (GitHub), msi, cli (az).",
    },
    managedIdentity: {
      type: "boolean",
      default: false,
      env: ["AZUREDNS_MANAGEDIDENTITY"],
      description: "Use a managed identity, like authMethod msi.",
    },
    environment: {
      type: "string",
      choices: [
        "public",
        "usgovernment",
        "china",
        "AzurePublicCloud",
        "AzureUSGovernmentCloud",
        "AzureChinaCloud",
      ],
      default: "public",
      env: ["AZURE_ENVIRONMENT"],
      description: "Microsoft cloud, by lego's or cert-manager's name.",
    },
    ttl: {
      type: "integer",
      default: 60,
      min: 1,
      max: 2_147_483_647,
      env: ["AZURE_TTL"],
      description: "TTL in seconds of record sets that acmectl creates.",
    },
    authorityHost: {
      type: "url",
      env: ["AZURE_AUTHORITY_HOST"],
      description: "Address of the login service; by default that of the environment.",
    },
    armUrl: {
      type: "url",
      description: "Address of the management API; by default that of the environment.",
    },
    identityEndpoint: {
      type: "url",
      env: ["IDENTITY_ENDPOINT"],
      description: "Address of the token service of App Service and Functions; they set it.",
    },
    identityHeader: {
      type: "string",
      secret: true,
      env: ["IDENTITY_HEADER"],
      description: "Header value for the token service of App Service; App Service sets it.",
    },
    imdsUrl: {
      type: "url",
      default: "http://169.254.169.254",
      env: ["AZURE_POD_IDENTITY_AUTHORITY_HOST"],
      description: "Address of a virtual machine's metadata service.",
    },
  },
  async create(options, context) {
    const [{ openCredentials }, { cloudOf, connect }] = await Promise.all([
      import("./credentials.ts"),
      import("./client.ts"),
    ]);
    const { log } = context;
    const { resourceGroup, ttl, privateZone } = options;
    const cloud = cloudOf(options);
    const credentials = openCredentials({ ...options, ...cloud }, log);
    const api = connect(credentials, { ...options, ...cloud, log });
    const zone = options.zone === undefined ? undefined : plainName(options.zone);
    const find = zoneFinder(zonesOf(api, { zone, resourceGroup, privateZone }), context);
    return recordSetSolver<RecordSet | undefined>({
      ...names,
      log,
      explain: explainer(() => credentials.identity()),
      async findZone(recordName, signal) {
        if (zone === undefined) return find(recordName, signal);
        const kind = privateZone ? "private" : "public";
        if (resourceGroup !== undefined)
          return { id: await api.zoneId(kind, resourceGroup, zone, signal), name: zone };
        return suffixesOf(recordName).includes(zone)
          ? find(recordName, signal)
          : { id: zone, name: zone };
      },
      showZone: zoneText,
      hintIfOutside:
        "Leave zone (AZURE_ZONE_NAME) out, or limit this solver to its zone with select.zones.",
      async check({ id, name }, recordName, signal) {
        const set = await api.recordSet(id, recordName, signal);
        if (set === undefined) await api.checkZone(id, signal);
        return name;
      },
      unit: "name",
      read: ({ id }, [name = ""], signal) => api.recordSet(id, name, signal),
      async write(zone, edits, old, { signal }) {
        for (const [name, edit] of edits) {
          const records = recordsAfter(old, edit);
          if (records === undefined) continue;
          if (records.length > mostRecords && edit.add.length > 0)
            throw full(name, zone, records.length);
          const set = { ttl: old?.ttl ?? ttl, records, metadata: old?.metadata };
          if (records.length > 0) await api.write(zone.id, name, set, old, signal);
          else if (old !== undefined) await api.remove(zone.id, name, old, signal);
        }
      },
      // Another write came first, or is in progress; a lock stays.
      isConflict: (refusal) =>
        refusal.status === 412 || (refusal.status === 409 && !refusal.says("ScopeLocked")),
    });
  },
});

const names = { vendor: "Azure DNS", zoneWord: "zone" };
const mostRecords = 20;

interface Choice {
  readonly zone: string | undefined;
  readonly resourceGroup: string | undefined;
  readonly privateZone: boolean;
}

function zonesOf(api: Api, { zone, resourceGroup, privateZone }: Choice): ZoneSource<DnsZone> {
  const kind = privateZone ? "private" : "public";
  return {
    ...names,
    list: async (signal) => ({ zones: await api.zones(kind, signal), all: true }),
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
function recordsAfter(old: RecordSet | undefined, edit: Edit): RecordSet["records"] | undefined {
  const before = new Map((old?.records ?? []).map((record) => [record.join(""), record]));
  return edited([...before.keys()], edit)?.map((value) => before.get(value) ?? [value]);
}

function full(recordName: string, zone: ProviderZone, count: number): Problem {
  return new Problem("solver", {
    title: "The record set is full",
    detail: `Azure: ${recordName} in zone ${zoneText(zone)} would have ${count} TXT records, and Azure allows ${mostRecords}`,
    hint: "Remove records that are not needed, left behind by other tools.",
  });
}
