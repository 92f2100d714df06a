/** Amazon Route 53 (2013-04-01) with the rules that a solver can break, and a script of bad days. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { befall, faultScript } from "./faults.ts";
import type { Faults } from "./faults.ts";
import { applyBatch, compareNames, compareSets } from "./route53-rules.ts";
import type { HeldZone, RecordSet } from "./route53-rules.ts";
import { checkSignature } from "./sigv4.ts";
import { child, childText, escape, parseXml, tag } from "./xml.ts";
import type { Element } from "./xml.ts";

export type { RecordSet } from "./route53-rules.ts";

export interface Route53Fake {
  readonly url: string;
  /** Operations in the order of arrival, e.g. `ChangeResourceRecordSets`, with what was sent. */
  readonly requests: {
    readonly action: string;
    readonly path: string;
    readonly body: string;
    /** That the request was signed for. */
    readonly region: string;
  }[];
  readonly faults: Faults;
  /** How often GetChange says PENDING before INSYNC. */
  pendingPolls: number;
  /** At most so many zones or record sets in one answer. */
  pageSize: number;
  addZone(name: string, more?: { id?: string; private?: boolean; nameservers?: string[] }): string;
  removeZone(id: string): void;
  /** Puts a set there as its owner would, without any rule. */
  plant(zoneId: string, set: RecordSet): void;
  unplant(zoneId: string, set: RecordSet): void;
  sets(recordName: string): RecordSet[];
  /** All TXT values at a name, unquoted, in whatever zone. */
  values(recordName: string): string[];
  count(action: string): number;
  close(): Promise<void>;
}

/** Access keys that the fake knows. */
export const route53Keys = { AKIDEXAMPLE: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY" };

const namespace = "https://route53.amazonaws.com/doc/2013-04-01/";

interface World {
  readonly zones: Map<string, HeldZone>;
  readonly changes: Map<string, number>;
  readonly writing: Set<string>;
}

export async function startRoute53Fake(): Promise<Route53Fake> {
  const world: World = { zones: new Map(), changes: new Map(), writing: new Set() };
  const server = createServer((request, response) => {
    void answer(fake, world, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sets = (recordName: string) =>
    [...world.zones.values()].flatMap((zone) =>
      zone.sets.filter(
        (set) => ["TXT", "TLSA"].includes(set.type) && set.name === `${recordName}.`,
      ),
    );
  const fake: Route53Fake = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    faults: faultScript(),
    pendingPolls: 1,
    pageSize: 300,
    addZone(name, more = {}) {
      const id = more.id ?? `Z${String(world.zones.size + 1).padStart(20, "0")}`;
      const nameservers = more.nameservers ?? [`ns-1.awsdns-${world.zones.size}.com`];
      const own = { name: `${name}.`, ttl: 900 };
      world.zones.set(id, {
        id,
        name: `${name}.`,
        private: more.private ?? false,
        nameservers,
        sets: [
          { ...own, type: "NS", values: nameservers.map((server) => `${server}.`) },
          {
            ...own,
            type: "SOA",
            values: [`${nameservers[0]}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400`],
          },
        ],
      });
      return id;
    },
    removeZone: (id) => void world.zones.delete(id),
    plant(zoneId, set) {
      world.zones.get(zoneId)?.sets.push(set);
    },
    unplant(zoneId, set) {
      const zone = world.zones.get(zoneId);
      if (zone !== undefined) zone.sets = zone.sets.filter((held) => compareSets(held, set) !== 0);
    },
    sets,
    values: (recordName) =>
      sets(recordName).flatMap((set) => set.values.map((value) => value.slice(1, -1))),
    count: (action) => fake.requests.filter((request) => request.action === action).length,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

class Refusal extends Error {
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

async function answer(
  fake: Route53Fake,
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const url = new URL(request.url ?? "/", fake.url);
  const method = request.method ?? "GET";
  const body = await text(request);
  const operation = operations.find((one) => one.method === method && one.path.test(url.pathname));
  const action = operation?.action ?? "Unknown";
  const region =
    /Credential=[^/]*\/\d*\/([^/]*)/.exec(request.headers.authorization ?? "")?.[1] ?? "";
  fake.requests.push({ action, path: url.pathname + url.search, body, region });
  const work = async () => {
    const fault = checkSignature(
      { method, url, headers: request.headers, body },
      route53Keys,
      "route53",
    );
    if (fault !== undefined) throw new Refusal(403, fault.code, fault.message);
    if (operation === undefined) throw new Refusal(404, "UnknownOperationException", "");
    const [, id = ""] = operation.path.exec(url.pathname) ?? [];
    return operation.run({
      fake,
      world,
      id: decodeURIComponent(id),
      query: url.searchParams,
      body,
    });
  };
  const fault = fake.faults.take(action);
  if (fault !== undefined) return befall(fault, response, () => void work().catch(() => {}));
  try {
    const { root, content } = await work();
    send(response, 200, `<${root} xmlns="${namespace}">${content}</${root}>`);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(response, error.status, awsError(error.code, error.message));
  }
}

/** The body of AWS's errors. */
export function awsError(code: string, message: string): string {
  return `<ErrorResponse xmlns="${namespace}"><Error><Type>Sender</Type><Code>${code}</Code><Message>${escape(message)}</Message></Error><RequestId>b25f48e8-84fd-11e6-80d9-574e0c4664cb</RequestId></ErrorResponse>`;
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "content-type": "text/xml" });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>\n${body}`);
}

interface Question {
  readonly fake: Route53Fake;
  readonly world: World;
  readonly id: string;
  readonly query: URLSearchParams;
  readonly body: string;
}

interface Answer {
  readonly root: string;
  readonly content: string;
}

interface Operation {
  readonly action: string;
  readonly method: string;
  readonly path: RegExp;
  run(question: Question): Answer | Promise<Answer>;
}

const operations: readonly Operation[] = [
  {
    action: "ListHostedZonesByName",
    method: "GET",
    path: /^\/2013-04-01\/hostedzonesbyname$/,
    run: listByName,
  },
  { action: "ListHostedZones", method: "GET", path: /^\/2013-04-01\/hostedzone$/, run: listZones },
  {
    action: "GetHostedZone",
    method: "GET",
    path: /^\/2013-04-01\/hostedzone\/([^/]+)$/,
    run: getZone,
  },
  {
    action: "ListResourceRecordSets",
    method: "GET",
    path: /^\/2013-04-01\/hostedzone\/([^/]+)\/rrset$/,
    run: listSets,
  },
  {
    action: "ChangeResourceRecordSets",
    method: "POST",
    path: /^\/2013-04-01\/hostedzone\/([^/]+)\/rrset\/?$/,
    run: change,
  },
  { action: "GetChange", method: "GET", path: /^\/2013-04-01\/change\/([^/]+)$/, run: getChange },
];

/** "Start at", not "equals": sorted by reversed name. */
function listByName({ fake, world, query }: Question): Answer {
  const start = query.get("dnsname");
  const startId = query.get("hostedzoneid") ?? "";
  const sorted = [...world.zones.values()].toSorted(
    (one, other) => compareNames(one.name, other.name) || (one.id < other.id ? -1 : 1),
  );
  const from = sorted.filter((zone) => {
    const order = start === null ? 1 : compareNames(zone.name, start);
    return order > 0 || (order === 0 && zone.id >= startId);
  });
  const size = Math.min(Number(query.get("maxitems") ?? 100), 100, fake.pageSize);
  const page = from.slice(0, size);
  const next = from[size];
  const content =
    (start === null ? "" : tag("DNSName", start)) +
    tag("HostedZones", page.map(zoneXml).join("")) +
    tag("IsTruncated", next !== undefined) +
    (next === undefined ? "" : tag("NextDNSName", next.name) + tag("NextHostedZoneId", next.id)) +
    tag("MaxItems", size);
  return { root: "ListHostedZonesByNameResponse", content };
}

function listZones({ fake, world, query }: Question): Answer {
  const sorted = [...world.zones.values()].toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const from = sorted.filter((zone) => zone.id >= (query.get("marker") ?? ""));
  const size = Math.min(Number(query.get("maxitems") ?? 100), 100, fake.pageSize);
  const next = from[size];
  const content =
    tag("HostedZones", from.slice(0, size).map(zoneXml).join("")) +
    tag("Marker", query.get("marker") ?? undefined) +
    tag("IsTruncated", next !== undefined) +
    tag("NextMarker", next?.id) +
    tag("MaxItems", size);
  return { root: "ListHostedZonesResponse", content };
}

function zoneXml(zone: HeldZone): string {
  const config = `<Config><Comment></Comment>${tag("PrivateZone", zone.private)}</Config>`;
  return tag(
    "HostedZone",
    tag("Id", `/hostedzone/${zone.id}`) +
      tag("Name", zone.name) +
      tag("CallerReference", zone.id) +
      config +
      tag("ResourceRecordSetCount", zone.sets.length),
  );
}

function zoneOf({ world, id }: Question): HeldZone {
  const zone = world.zones.get(id);
  if (zone === undefined)
    throw new Refusal(404, "NoSuchHostedZone", `No hosted zone found with ID: ${id}`);
  return zone;
}

function getZone(question: Question): Answer {
  const zone = zoneOf(question);
  const servers = zone.nameservers.map((server) => tag("NameServer", server)).join("");
  const content = zoneXml(zone) + tag("DelegationSet", tag("NameServers", servers));
  return { root: "GetHostedZoneResponse", content };
}

/** "Start at" as well, by reversed name, type and set identifier. */
function listSets(question: Question): Answer {
  const { query, fake } = question;
  const name = query.get("name");
  const type = query.get("type");
  if (type !== null && name === null)
    throw new Refusal(400, "InvalidInput", "The type cannot be specified without a name.");
  const sorted = zoneOf(question).sets.toSorted(compareSets);
  const identifier = query.get("identifier");
  const start: RecordSet = {
    name: name === null ? "." : `${name.replace(/\.$/, "")}.`,
    type: type ?? "",
    ttl: 0,
    values: [],
    ...(identifier === null ? {} : { identifier }),
  };
  const from = sorted.filter((set) => name === null || compareSets(set, start) >= 0);
  const size = Math.min(Number(query.get("maxitems") ?? 300), 300, fake.pageSize);
  const next = from[size];
  const content =
    tag("ResourceRecordSets", from.slice(0, size).map(setXml).join("")) +
    tag("IsTruncated", next !== undefined) +
    (next === undefined
      ? ""
      : tag("NextRecordName", next.name) +
        tag("NextRecordType", next.type) +
        tag("NextRecordIdentifier", next.identifier)) +
    tag("MaxItems", size);
  return { root: "ListResourceRecordSetsResponse", content };
}

function setXml(set: RecordSet): string {
  const values = set.values.map((value) => tag("ResourceRecord", tag("Value", escape(value))));
  return tag(
    "ResourceRecordSet",
    tag("Name", set.name) +
      tag("Type", set.type) +
      tag("SetIdentifier", set.identifier === undefined ? undefined : escape(set.identifier)) +
      tag("Weight", set.weight) +
      tag("MultiValueAnswer", set.multivalue) +
      tag("TTL", set.ttl) +
      tag("ResourceRecords", values.join("")),
  );
}

async function change(question: Question): Promise<Answer> {
  const { world, id, body, fake } = question;
  const zone = zoneOf(question);
  if (world.writing.has(id))
    throw new Refusal(
      400,
      "PriorRequestNotComplete",
      "The request was rejected because Route 53 was still processing a prior request.",
    );
  world.writing.add(id);
  try {
    await new Promise((resolve) => setTimeout(resolve, 2));
    const root = parseXml(body);
    if (!body.includes(`xmlns="${namespace}"`))
      throw new Refusal(400, "InvalidInput", "Invalid XML ; no namespace");
    const changes = child(child(root, "ChangeBatch"), "Changes")?.children ?? [];
    const messages = applyBatch(
      zone,
      changes.map((one) => ({
        action: childText(one, "Action") ?? "",
        set: setIn(child(one, "ResourceRecordSet")),
      })),
    );
    if (messages.length > 0)
      throw new Refusal(400, "InvalidChangeBatch", `[${messages.join(", ")}]`);
    const changeId = `C${String(world.changes.size + 1).padStart(13, "0")}`;
    world.changes.set(changeId, fake.pendingPolls);
    return { root: "ChangeResourceRecordSetsResponse", content: changeXml(changeId, "PENDING") };
  } finally {
    world.writing.delete(id);
  }
}

function setIn(element: Element | undefined): RecordSet {
  const optional = (name: string) => childText(element, name);
  const identifier = optional("SetIdentifier");
  const weight = optional("Weight");
  return {
    name: `${(optional("Name") ?? "").toLowerCase().replace(/\.$/, "")}.`,
    type: optional("Type") ?? "",
    ttl: Number(optional("TTL")),
    values: (child(element, "ResourceRecords")?.children ?? []).map(
      (record) => childText(record, "Value") ?? "",
    ),
    ...(identifier === undefined ? {} : { identifier }),
    ...(weight === undefined ? {} : { weight: Number(weight) }),
    ...(optional("MultiValueAnswer") === "true" ? { multivalue: true } : {}),
  };
}

function getChange({ world, id }: Question): Answer {
  const polls = world.changes.get(id);
  if (polls === undefined)
    throw new Refusal(404, "NoSuchChange", `Could not find resource with ID: ${id}`);
  world.changes.set(id, polls - 1);
  return { root: "GetChangeResponse", content: changeXml(id, polls > 0 ? "PENDING" : "INSYNC") };
}

function changeXml(id: string, status: string): string {
  return tag(
    "ChangeInfo",
    tag("Id", `/change/${id}`) +
      tag("Status", status) +
      tag("SubmittedAt", "2026-07-01T12:00:00.000Z"),
  );
}
