/** Azure's management API, as much of it as a DNS solver needs. */
import { Problem } from "acmectl/plugin";
import {
  fieldOf,
  keepToken,
  listOf,
  needText,
  once,
  Refusal,
  requestJson,
  textOf,
} from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { JsonRequest } from "acmectl/plugin/http";
import type { Credentials } from "./identity.ts";
import { azure } from "./vendor.ts";

/** By its path in the management API; the resource group stands in it. */
export interface Zone {
  /** `/subscriptions/S/resourceGroups/G/providers/Microsoft.Network/dnsZones/Z` */
  readonly id: string;
  /** In lower case. */
  readonly name: string;
}

export interface ListedZone extends Zone {
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

/** Every call is repeated when it was throttled or lost, and rejects with a `Refusal` or a Problem. */
export interface Api {
  /** All zones of the group, else of the subscription. */
  zones(kind: "public" | "private", signal: AbortSignal): Promise<readonly ListedZone[]>;
  /** A zone of a group, without asking whether it is there. */
  zoneIn(
    kind: "public" | "private",
    group: string,
    name: string,
    signal: AbortSignal,
  ): Promise<Zone>;
  /** Rejects when the zone is not there. */
  checkZone(zone: Zone, signal: AbortSignal): Promise<void>;
  /** The TXT set at a name relative to the zone; nothing where there is none. */
  recordSet(zone: Zone, name: string, signal: AbortSignal): Promise<RecordSet | undefined>;
  /** Refused with 412 when the set is not the one that was read, or is there though none was. */
  write(
    zone: Zone,
    name: string,
    set: Omit<RecordSet, "etag">,
    old: RecordSet | undefined,
    signal: AbortSignal,
  ): Promise<void>;
  remove(zone: Zone, name: string, old: RecordSet, signal: AbortSignal): Promise<void>;
}

interface Cloud {
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

/** Where a cloud is, unless another address is given. */
export function cloudOf(given: {
  readonly environment: keyof typeof clouds;
  readonly authorityHost: string | undefined;
  readonly armUrl: string | undefined;
}): Cloud {
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

export interface ClientSettings {
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

/** A client on behalf of these credentials. */
export function connect(credentials: Credentials, settings: ClientSettings): Api {
  const call = caller(credentials, settings);
  const subscription = once((signal) => subscriptionOf(call, settings, signal));
  const { resourceGroup } = settings;
  return {
    async zones(kind, signal) {
      const base = groupPath(await subscription(signal), resourceGroup);
      // Azure's own document spells it so where no group is named.
      const type = resourceGroup === undefined ? types[kind].replace("dnsZ", "dnsz") : types[kind];
      const path = versioned(`${base}/providers/${type}`);
      return (await everyPage(call, path, signal)).map((item) => zoneOf(item, kind));
    },
    async zoneIn(kind, group, name, signal) {
      const base = groupPath(await subscription(signal), group);
      return { id: `${base}/providers/${types[kind]}/${encodeURIComponent(name)}`, name };
    },
    checkZone: async ({ id }, signal) => void (await call(versioned(id), {}, signal)),
    async recordSet({ id }, name, signal) {
      try {
        return setIn(await call(setPath(id, name), {}, signal));
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return undefined;
        throw error;
      }
    },
    async write({ id }, name, set, old, signal) {
      const headers = old === undefined ? { "if-none-match": "*" } : { "if-match": old.etag };
      const body = JSON.stringify({ properties: propertiesOf(id, set) });
      await call(setPath(id, name), { method: "PUT", headers, body }, signal);
    },
    async remove({ id }, name, old, signal) {
      const headers = { "if-match": old.etag };
      await call(setPath(id, name), { method: "DELETE", headers }, signal);
    },
  };
}

type Question = Omit<JsonRequest, "url">;
type CallArm = (path: string, question: Question, signal: AbortSignal) => Promise<unknown>;

function caller(credentials: Credentials, { armUrl, log }: ClientSettings): CallArm {
  const token = keepToken((signal) => credentials.token(signal));
  return async (path, question, signal) => {
    const headers = {
      ...question.headers,
      authorization: `Bearer ${await token(signal)}`,
      ...(question.body === undefined ? {} : { "content-type": "application/json" }),
    };
    const request = { ...question, url: armUrl + path, headers };
    return requestJson(request, { vendor: azure, log, signal });
  };
}

async function subscriptionOf(
  call: CallArm,
  { subscriptionId }: ClientSettings,
  signal: AbortSignal,
): Promise<string> {
  if (subscriptionId !== undefined) return subscriptionId;
  const found = await everyPage(call, "/subscriptions?api-version=2020-01-01", signal);
  const [only, ...others] = found.map((item) => needText(item, "subscriptionId"));
  if (only !== undefined && others.length === 0) return only;
  const shown = found
    .slice(0, 20)
    .map(
      (item) => `${textOf(item, "displayName") ?? "unnamed"} (${needText(item, "subscriptionId")})`,
    );
  throw new Problem("config", {
    title: found.length === 0 ? "No subscription" : "Several subscriptions",
    detail: `Solver azure: subscriptionId is not set, and the identity sees ${found.length === 0 ? "no subscription" : shown.join(", ")}`,
    hint: "Set subscriptionId (AZURE_SUBSCRIPTION_ID) to the one that has the zone.",
  });
}

/** The address of the next page is the server's to choose, but only its path is followed: the token goes nowhere else. */
async function everyPage(
  call: CallArm,
  first: string,
  signal: AbortSignal,
): Promise<readonly unknown[]> {
  const items: unknown[] = [];
  for (let path: string | undefined = first; path !== undefined;) {
    const answer: unknown = await call(path, {}, signal);
    const value = fieldOf(answer, "value");
    if (!Array.isArray(value)) throw new Refusal({ words: "an answer without value" });
    items.push(...listOf(answer, "value"));
    const next = URL.parse(textOf(answer, "nextLink") ?? "");
    path = next === null ? undefined : next.pathname + next.search;
  }
  return items;
}

function zoneOf(item: unknown, kind: "public" | "private"): ListedZone {
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

function propertiesOf(id: string, { ttl, records, metadata }: Omit<RecordSet, "etag">): object {
  const shown = records.map((value) => ({ value }));
  const kept = metadata === undefined ? {} : { metadata };
  return isPrivate(id)
    ? { ...kept, ttl, txtRecords: shown }
    : { ...kept, TTL: ttl, TXTRecords: shown };
}

function groupPath(subscription: string, group: string | undefined): string {
  const base = `/subscriptions/${encodeURIComponent(subscription)}`;
  return group === undefined ? base : `${base}/resourceGroups/${encodeURIComponent(group)}`;
}

function setPath(id: string, name: string): string {
  return versioned(`${id}/TXT/${encodeURIComponent(name)}`);
}

function versioned(path: string): string {
  return `${path}?api-version=${isPrivate(path) ? privateVersion : publicVersion}`;
}

function isPrivate(path: string): boolean {
  return /\/privateDnsZones(\/|$)/i.test(path);
}
