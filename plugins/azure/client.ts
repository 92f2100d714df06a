/** Azure's management API, as much of it as the solver needs. */
import { Problem } from "acmectl/plugin";
import type { Log, OptionsOf, RecordType } from "acmectl/plugin";
import {
  everyPage,
  fieldOf,
  keepToken,
  listOf,
  needText,
  once,
  Refusal,
  relativeName,
  requestJson,
  textOf,
} from "acmectl/plugin/http";
import type { JsonRequest, ListedZone } from "acmectl/plugin/http";
import { azure } from "./errors.ts";
import type { options } from "./options.ts";
import type { Credentials } from "./tokens.ts";

/** A zone's id is its path: `/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/dnsZones/Z`. */
export interface DnsZone extends ListedZone {
  readonly isPublic: boolean;
  readonly nameServers: readonly string[];
}

export interface RecordSet {
  readonly etag: string;
  /** Seconds. */
  readonly ttl: number;
  /** Each of one or more strings; a TLSA record of one, in the form of a zone file. */
  readonly records: readonly (readonly string[])[];
  readonly metadata: unknown;
}

export interface Owner {
  readonly name: string;
  readonly type: RecordType;
}

type Kind = "public" | "private";

export interface Cloud {
  readonly authorityHost: string;
  readonly armUrl: string;
  /** What tokens are for. */
  readonly resource: string;
}

const world = ["https://login.microsoftonline.com", "https://management.azure.com"] as const;
const usGovernment = [
  "https://login.microsoftonline.us",
  "https://management.usgovcloudapi.net",
] as const;
const china = ["https://login.chinacloudapi.cn", "https://management.chinacloudapi.cn"] as const;
const clouds = {
  public: world,
  AzurePublicCloud: world,
  usgovernment: usGovernment,
  AzureUSGovernmentCloud: usGovernment,
  china,
  AzureChinaCloud: china,
} as const;

/** The addresses of a cloud, unless others are given. */
export function cloudOf(
  given: Pick<OptionsOf<typeof options>, "environment" | "authorityHost" | "armUrl">,
): Cloud {
  const [authority, arm] = clouds[given.environment];
  return {
    authorityHost: bare(given.authorityHost ?? authority),
    armUrl: bare(given.armUrl ?? arm),
    resource: arm,
  };
}

function bare(url: string): string {
  return url.replace(/\/+$/, "");
}

interface ClientSettings {
  readonly armUrl: string;
  readonly subscriptionId: string | undefined;
  readonly resourceGroup: string | undefined;
  readonly log: Log;
}

const types = {
  public: "Microsoft.Network/dnsZones",
  private: "Microsoft.Network/privateDnsZones",
} as const;
const publicVersion = "2018-05-01";
/** The first one with TLSA records. */
const tlsaVersion = "2023-07-01-preview";
const privateVersion = "2020-06-01";

export type Api = ReturnType<typeof connect>;

/** A client with these credentials. Every call is repeated when it was throttled or lost, and rejects with a `Refusal` or a Problem. */
export function connect(credentials: Credentials, settings: ClientSettings) {
  const send = sender(credentials, settings);
  const subscription = once((signal) => subscriptionOf(send, settings, signal));
  const { resourceGroup } = settings;
  return {
    /** All zones of the group, else of the subscription. */
    async zones(kind: Kind, signal: AbortSignal): Promise<readonly DnsZone[]> {
      const base = groupPath(await subscription(signal), resourceGroup);
      // Azure's own document spells it so where no group is named.
      const type = resourceGroup === undefined ? types[kind].replace("dnsZ", "dnsz") : types[kind];
      const path = versioned(`${base}/providers/${type}`);
      return (await pages(send, path, signal)).map((item) => zoneIn(item, kind));
    },
    /** The id of a zone of a group, whether it exists or not. */
    async zoneId(kind: Kind, group: string, name: string, signal: AbortSignal) {
      const base = groupPath(await subscription(signal), group);
      return `${base}/providers/${types[kind]}/${encodeURIComponent(name)}`;
    },
    /** Rejects if the zone does not exist. */
    async checkZone(zoneId: string, signal: AbortSignal) {
      await send(versioned(zoneId), {}, signal);
    },
    /** The set of this type at a name, if there is one. */
    async recordSet(zoneId: string, { name, type }: Owner, signal: AbortSignal) {
      try {
        return setIn(await send(setPath(zoneId, { name, type }), {}, signal));
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return undefined;
        throw error;
      }
    },
    /** Refused with 412 if the set is not the one that was read, or exists though none was read. */
    async write(
      zoneId: string,
      owner: Owner,
      set: Omit<RecordSet, "etag">,
      old: RecordSet | undefined,
      signal: AbortSignal,
    ) {
      const headers = old === undefined ? { "if-none-match": "*" } : { "if-match": old.etag };
      const json = { properties: propertiesOf(zoneId, owner.type, set) };
      await send(setPath(zoneId, owner), { method: "PUT", headers, json }, signal);
    },
    async remove(zoneId: string, owner: Owner, old: RecordSet, signal: AbortSignal) {
      const headers = { "if-match": old.etag };
      await send(setPath(zoneId, owner), { method: "DELETE", headers }, signal);
    },
  };
}

type Send = (
  path: string,
  request: Omit<JsonRequest, "url">,
  signal: AbortSignal,
) => Promise<unknown>;

function sender(credentials: Credentials, { armUrl, log }: ClientSettings): Send {
  const token = keepToken((signal) => credentials.token(signal));
  return async (path, request, signal) => {
    const headers = { ...request.headers, authorization: `Bearer ${await token(signal)}` };
    return requestJson({ ...request, url: armUrl + path, headers }, { vendor: azure, log, signal });
  };
}

async function subscriptionOf(
  send: Send,
  { subscriptionId }: ClientSettings,
  signal: AbortSignal,
): Promise<string> {
  if (subscriptionId !== undefined) return subscriptionId;
  const found = await pages(send, "/subscriptions?api-version=2020-01-01", signal);
  const ids = found.map((item) => needText(item, "subscriptionId"));
  if (ids[0] !== undefined && ids.length === 1) return ids[0];
  const names = found.map((item) => textOf(item, "displayName") ?? "unnamed");
  const shown = ids.slice(0, 20).map((id, index) => `${names[index]} (${id})`);
  throw new Problem("config", {
    title: found.length === 0 ? "No subscription" : "Several subscriptions",
    detail: `Solver azure: subscriptionId is not set, and the identity sees ${shown.join(", ") || "no subscription"}`,
    hint: "Set subscriptionId (AZURE_SUBSCRIPTION_ID) to the one that has the zone.",
  });
}

/** The server chooses the address of the next page, but only its path is followed: the token goes nowhere else. */
function pages(send: Send, first: string, signal: AbortSignal): Promise<readonly unknown[]> {
  return everyPage(async (path: string = first) => {
    const answer = await send(path, {}, signal);
    const items: unknown = fieldOf(answer, "value");
    if (!Array.isArray(items)) throw new Refusal({ words: "an answer without value" });
    const next = URL.parse(textOf(answer, "nextLink") ?? "");
    return { items, next: next === null ? undefined : next.pathname + next.search };
  });
}

function zoneIn(item: unknown, kind: Kind): DnsZone {
  const properties = fieldOf(item, "properties");
  const id = needText(item, "id");
  if (!id.startsWith("/subscriptions/")) throw new Refusal({ words: "a zone without a path" });
  return {
    // Lists spell the type in lower case, all other addresses do not.
    id: id.replace(/\/dnszones\//i, "/dnsZones/"),
    name: needText(item, "name").toLowerCase(),
    isPublic: kind === "public" && textOf(properties, "zoneType") !== "Private",
    nameServers: listOf(properties, "nameServers").filter((server) => typeof server === "string"),
  };
}

/** Private zones spell the same in lower case. */
function setIn(item: unknown): RecordSet {
  const properties = fieldOf(item, "properties");
  const ttl = fieldOf(properties, "TTL") ?? fieldOf(properties, "ttl");
  const listed = [...listOf(properties, "TXTRecords"), ...listOf(properties, "txtRecords")];
  return {
    etag: needText(item, "etag"),
    ttl: typeof ttl === "number" ? ttl : 0,
    records: [
      ...listed.map((record) => listOf(record, "value").map(String)),
      ...listOf(properties, "TLSARecords").map((record) => [tlsaIn(record)]),
    ],
    metadata: fieldOf(properties, "metadata"),
  };
}

const tlsaFields = ["usage", "selector", "matchingType", "certAssociationData"] as const;

function tlsaIn(record: unknown): string {
  return tlsaFields.map((field) => String(fieldOf(record, field))).join(" ");
}

function tlsaOf([text = ""]: readonly string[]) {
  const [usage, selector, matchingType, ...data] = text.split(" ");
  return {
    usage: Number(usage),
    selector: Number(selector),
    matchingType: Number(matchingType),
    certAssociationData: data.join(""),
  };
}

function propertiesOf(
  zoneId: string,
  type: RecordType,
  { ttl, records, metadata }: Omit<RecordSet, "etag">,
) {
  if (type === "TLSA") return { metadata, TTL: ttl, TLSARecords: records.map(tlsaOf) };
  const shown = records.map((value) => ({ value }));
  return isPrivate(zoneId)
    ? { metadata, ttl, txtRecords: shown }
    : { metadata, TTL: ttl, TXTRecords: shown };
}

function groupPath(subscription: string, group: string | undefined): string {
  const base = `/subscriptions/${encodeURIComponent(subscription)}`;
  return group === undefined ? base : `${base}/resourceGroups/${encodeURIComponent(group)}`;
}

/** The path of a set, whose name is relative to its zone, the last part of the id. */
function setPath(zoneId: string, { name, type }: Owner): string {
  const zone = decodeURIComponent(zoneId.slice(zoneId.lastIndexOf("/") + 1)).toLowerCase();
  const path = `${zoneId}/${type}/${encodeURIComponent(relativeName(name, zone))}`;
  return type === "TLSA" ? versioned(path, tlsaVersion) : versioned(path);
}

function versioned(path: string, version?: string): string {
  return `${path}?api-version=${version ?? (isPrivate(path) ? privateVersion : publicVersion)}`;
}

function isPrivate(path: string): boolean {
  return /\/privateDnsZones(\/|$)/i.test(path);
}
