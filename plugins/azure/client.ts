/** Azure's management API, as much of it as the solver needs. */
import { Problem } from "acmectl/plugin";
import type { Log, OptionsOf } from "acmectl/plugin";
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
  /** Each of one or more strings. */
  readonly records: readonly (readonly string[])[];
  readonly metadata: unknown;
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
    /** The TXT set at a name, if there is one. */
    async recordSet(zoneId: string, name: string, signal: AbortSignal) {
      try {
        return setIn(await send(setPath(zoneId, name), {}, signal));
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return undefined;
        throw error;
      }
    },
    /** Refused with 412 if the set is not the one that was read, or exists though none was read. */
    async write(
      zoneId: string,
      name: string,
      set: Omit<RecordSet, "etag">,
      old: RecordSet | undefined,
      signal: AbortSignal,
    ) {
      const headers = old === undefined ? { "if-none-match": "*" } : { "if-match": old.etag };
      const json = { properties: propertiesOf(zoneId, set) };
      await send(setPath(zoneId, name), { method: "PUT", headers, json }, signal);
    },
    async remove(zoneId: string, name: string, old: RecordSet, signal: AbortSignal) {
      const headers = { "if-match": old.etag };
      await send(setPath(zoneId, name), { method: "DELETE", headers }, signal);
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
    records: listed.map((record) => listOf(record, "value").map(String)),
    metadata: fieldOf(properties, "metadata"),
  };
}

function propertiesOf(zoneId: string, { ttl, records, metadata }: Omit<RecordSet, "etag">) {
  const shown = records.map((value) => ({ value }));
  return isPrivate(zoneId)
    ? { metadata, ttl, txtRecords: shown }
    : { metadata, TTL: ttl, TXTRecords: shown };
}

function groupPath(subscription: string, group: string | undefined): string {
  const base = `/subscriptions/${encodeURIComponent(subscription)}`;
  return group === undefined ? base : `${base}/resourceGroups/${encodeURIComponent(group)}`;
}

/** The path of a TXT set, whose name is relative to its zone, the last part of the id. */
function setPath(zoneId: string, name: string): string {
  const zone = decodeURIComponent(zoneId.slice(zoneId.lastIndexOf("/") + 1)).toLowerCase();
  return versioned(`${zoneId}/TXT/${encodeURIComponent(relativeName(name, zone))}`);
}

function versioned(path: string): string {
  return `${path}?api-version=${isPrivate(path) ? privateVersion : publicVersion}`;
}

function isPrivate(path: string): boolean {
  return /\/privateDnsZones(\/|$)/i.test(path);
}
