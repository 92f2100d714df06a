/** Cloud DNS's API v1, as much of it as the solver needs. */
import { Problem } from "acmectl/plugin";
import type { Log, RecordType } from "acmectl/plugin";
import {
  everyPage,
  fieldOf,
  keepToken,
  listOf,
  needText,
  once,
  plainName,
  requestJson,
  textOf,
} from "acmectl/plugin/http";
import type { ListedZone } from "acmectl/plugin/http";
import { google } from "./errors.ts";
import type { Credentials } from "./tokens.ts";

export interface ManagedZone extends ListedZone {
  readonly isPublic: boolean;
  readonly nameServers: readonly string[];
}

/** A record set as it is sent; the `rrdatas` of TXT are in quotes. */
export interface RecordSet {
  /** With a trailing dot. */
  readonly name: string;
  readonly type: RecordType;
  readonly ttl: number;
  readonly rrdatas: readonly string[];
}

/** A set as it is read. */
export interface HeldSet extends RecordSet {
  /** True when it answers by a routing policy rather than with `rrdatas`. */
  readonly routed: boolean;
}

export interface Change {
  readonly deletions: readonly RecordSet[];
  readonly additions: readonly RecordSet[];
}

interface ClientSettings {
  readonly project: string | undefined;
  readonly apiUrl: string;
  readonly log: Log;
}

const scope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";

export type Api = ReturnType<typeof connect>;

/** A client with these credentials. Every call is repeated when it was throttled or lost, and rejects with a `Refusal` or a Problem. */
export function connect(credentials: Credentials, settings: ClientSettings) {
  const { log } = settings;
  const project = once((signal) => projectOf(credentials, settings, signal));
  const token = keepToken((signal) => credentials.token(scope, signal));
  const base = `${settings.apiUrl.replace(/\/+$/, "")}/dns/v1/projects`;
  const send = async (path: string, signal: AbortSignal, json?: object) => {
    const url = `${base}/${encodeURIComponent(await project(signal))}${path}`;
    const headers = { authorization: `Bearer ${await token(signal)}` };
    const method = json === undefined ? "GET" : "POST";
    return requestJson({ url, method, headers, json }, { vendor: google, log, signal });
  };
  const page = async (path: string, member: string, filter: Filter, signal: AbortSignal) => {
    const answer = await send(path + query(filter), signal);
    needText(answer, "kind");
    return { items: listOf(answer, member), next: textOf(answer, "nextPageToken") };
  };
  return {
    project,
    /** The first page of all zones. */
    async firstZones(signal: AbortSignal) {
      const { items, next } = await page("/managedZones", "managedZones", {}, signal);
      return { zones: items.map(zoneIn), all: next === undefined };
    },
    /** All zones, or those of one name. */
    async zones(name: string | undefined, signal: AbortSignal) {
      const dnsName = name === undefined ? undefined : `${name}.`;
      const items = await everyPage((pageToken: string | undefined) =>
        page("/managedZones", "managedZones", { dnsName, pageToken }, signal),
      );
      return items.map(zoneIn);
    },
    /** The set of a type at a name; without one, the first page of the zone's. */
    async recordSets(
      zone: string,
      name: string | undefined,
      type: RecordType,
      signal: AbortSignal,
    ) {
      const filter = name === undefined ? {} : { name: `${name}.`, type };
      const { items, next } = await page(`${at(zone)}/rrsets`, "rrsets", filter, signal);
      return { sets: items.flatMap((item) => setIn(item, type) ?? []), all: next === undefined };
    },
    /** The change's id. */
    change: async (zone: string, change: Change, signal: AbortSignal) =>
      needText(await send(`${at(zone)}/changes`, signal, change), "id"),
    async isDone(zone: string, changeId: string, signal: AbortSignal) {
      const path = `${at(zone)}/changes/${encodeURIComponent(changeId)}`;
      return needText(await send(path, signal), "status") !== "pending";
    },
  };
}

async function projectOf(
  credentials: Credentials,
  { project }: ClientSettings,
  signal: AbortSignal,
): Promise<string> {
  const found = project ?? (await credentials.project(signal));
  if (found !== undefined) return found;
  throw new Problem("config", {
    title: "No Google project",
    detail: `Solver google: ${credentials.identity} does not name the project it belongs to`,
    hint: "Set project (GCE_PROJECT, GOOGLE_CLOUD_PROJECT) to the id of the project that has the zone; `gcloud config get project` shows yours.",
  });
}

function at(zone: string): string {
  return `/managedZones/${encodeURIComponent(zone)}`;
}

type Filter = Readonly<Record<string, string | undefined>>;

function query(filter: Filter): string {
  const set = new URLSearchParams();
  for (const [name, value] of Object.entries(filter)) if (value !== undefined) set.set(name, value);
  return set.size === 0 ? "" : `?${set.toString()}`;
}

function zoneIn(item: unknown): ManagedZone {
  return {
    id: needText(item, "name"),
    name: plainName(needText(item, "dnsName")),
    isPublic: textOf(item, "visibility") !== "private",
    nameServers: listOf(item, "nameServers").filter((server) => typeof server === "string"),
  };
}

/** Nothing for other types. */
function setIn(item: unknown, type: RecordType): HeldSet | undefined {
  if (textOf(item, "type") !== type) return undefined;
  const ttl = fieldOf(item, "ttl");
  return {
    name: needText(item, "name"),
    type,
    ttl: typeof ttl === "number" ? ttl : 0,
    rrdatas: listOf(item, "rrdatas").filter((value) => typeof value === "string"),
    routed: fieldOf(item, "routingPolicy") !== undefined,
  };
}
