/** Cloud DNS's API v1, as much of it as a solver needs. */
import { Problem } from "acmectl/plugin";
import {
  fieldOf,
  keepToken,
  listOf,
  needText,
  once,
  requestJson,
  textOf,
} from "acmectl/plugin/http";
import type { Log } from "acmectl/plugin";
import type { Credentials } from "./identity.ts";
import { google } from "./vendor.ts";

export interface ManagedZone {
  readonly name: string;
  /** In lower case, without the trailing dot. */
  readonly dnsName: string;
  readonly isPublic: boolean;
  readonly nameServers: readonly string[];
}

/** A TXT record set as it is sent; `rrdatas` are in quotes. */
export interface RecordSet {
  /** With a trailing dot. */
  readonly name: string;
  readonly type: "TXT";
  readonly ttl: number;
  readonly rrdatas: readonly string[];
}

/** A set that is there. */
export interface HeldSet extends RecordSet {
  /** True when it answers by a routing policy rather than with `rrdatas`. */
  readonly routed: boolean;
}

export interface Change {
  readonly deletions: readonly RecordSet[];
  readonly additions: readonly RecordSet[];
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Of the next page, if there is one. */
  readonly token: string | undefined;
}

/** Every call is repeated when it was throttled or lost, and rejects with a `Refusal` or a Problem. */
export interface Api {
  project(signal: AbortSignal): Promise<string>;
  /** Zones of every name when `dnsName` is absent. */
  zones(
    query: { dnsName?: string; token?: string },
    signal: AbortSignal,
  ): Promise<Page<ManagedZone>>;
  /** TXT sets of every name when `name` is absent. */
  recordSets(
    zone: string,
    query: { name?: string; token?: string },
    signal: AbortSignal,
  ): Promise<Page<HeldSet>>;
  /** The change's id. */
  change(zone: string, change: Change, signal: AbortSignal): Promise<string>;
  isDone(zone: string, changeId: string, signal: AbortSignal): Promise<boolean>;
}

export interface ClientSettings {
  readonly project: string | undefined;
  readonly apiUrl: string;
  readonly log: Log;
}

const scope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";

/** A client on behalf of these credentials. */
export function connect(credentials: Credentials, settings: ClientSettings): Api {
  const { log } = settings;
  const project = once((signal) => projectOf(credentials, settings, signal));
  const token = keepToken((signal) => credentials.token(scope, signal));
  const base = `${settings.apiUrl.replace(/\/+$/, "")}/dns/v1/projects`;
  const call = async (path: string, signal: AbortSignal, body?: object) => {
    const url = `${base}/${encodeURIComponent(await project(signal))}${path}`;
    const authorization = `Bearer ${await token(signal)}`;
    const settings = { vendor: google, log, signal };
    if (body === undefined) return requestJson({ url, headers: { authorization } }, settings);
    const headers = { authorization, "content-type": "application/json" };
    return requestJson({ url, method: "POST", headers, body: JSON.stringify(body) }, settings);
  };
  return {
    project,
    async zones({ dnsName, token }, signal) {
      const filter = {
        dnsName: dnsName === undefined ? undefined : `${dnsName}.`,
        pageToken: token,
      };
      return pageOf(await call(`/managedZones${query(filter)}`, signal), "managedZones", zoneIn);
    },
    async recordSets(zone, { name, token }, signal) {
      const filter =
        name === undefined
          ? { pageToken: token }
          : { name: `${name}.`, type: "TXT", pageToken: token };
      const { items, token: next } = pageOf(
        await call(`${at(zone)}/rrsets${query(filter)}`, signal),
        "rrsets",
        setIn,
      );
      return { items: items.filter((set) => set !== undefined), token: next };
    },
    async change(zone, change, signal) {
      return needText(await call(`${at(zone)}/changes`, signal, change), "id");
    },
    async isDone(zone, changeId, signal) {
      const path = `${at(zone)}/changes/${encodeURIComponent(changeId)}`;
      return needText(await call(path, signal), "status") !== "pending";
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
    detail: `Solver google: ${credentials.identity} does not say which project it belongs to`,
    hint: "Set project (GCE_PROJECT, GOOGLE_CLOUD_PROJECT) to the id of the project that has the zone; `gcloud config get project` shows yours.",
  });
}

function at(zone: string): string {
  return `/managedZones/${encodeURIComponent(zone)}`;
}

function query(given: Readonly<Record<string, string | undefined>>): string {
  const set = Object.entries(given).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  return set.length === 0 ? "" : `?${new URLSearchParams(set).toString()}`;
}

function pageOf<T>(answer: unknown, list: string, read: (item: unknown) => T): Page<T> {
  needText(answer, "kind");
  return { items: listOf(answer, list).map(read), token: textOf(answer, "nextPageToken") };
}

function zoneIn(item: unknown): ManagedZone {
  return {
    name: needText(item, "name"),
    dnsName: needText(item, "dnsName").toLowerCase().replace(/\.$/, ""),
    isPublic: textOf(item, "visibility") !== "private",
    nameServers: listOf(item, "nameServers").filter((server) => typeof server === "string"),
  };
}

/** Nothing for other types. */
function setIn(item: unknown): HeldSet | undefined {
  if (textOf(item, "type") !== "TXT") return undefined;
  const ttl = fieldOf(item, "ttl");
  return {
    name: needText(item, "name"),
    type: "TXT",
    ttl: typeof ttl === "number" ? ttl : 0,
    rrdatas: listOf(item, "rrdatas").filter((value) => typeof value === "string"),
    routed: fieldOf(item, "routingPolicy") !== undefined,
  };
}
