/**
 * Azure, as much as a DNS client meets of it: the management API for DNS zones with its rules, the login, the metadata
 * service, App Service's endpoint and GitHub's tokens; and a script of bad days.
 */
import { createHash, randomUUID, verify, constants } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { befall, faultScript } from "./faults.ts";
import type { Faults } from "./faults.ts";

export interface AzureRecordSet {
  readonly etag: string;
  readonly ttl: number;
  readonly records: readonly (readonly string[])[];
  readonly metadata?: unknown;
  /** Of TLSA records each is one string, as in a zone file; TXT when absent. */
  readonly type?: "TXT" | "TLSA" | undefined;
}

export interface AzureRequest {
  /** `GET zones`, `GET zone`, `GET TXT`, `PUT TXT`, `DELETE TXT`, `GET subscriptions`, `POST token`, `GET imds`, … */
  readonly action: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface ZonePlace {
  readonly group?: string;
  readonly isPrivate?: boolean;
  readonly nameServers?: readonly string[];
  /** `Private` for those that older API versions kept among the public ones. */
  readonly zoneType?: "Public" | "Private";
}

export interface AzureFake {
  readonly url: string;
  readonly requests: AzureRequest[];
  readonly faults: Faults;
  /** At most so many results a page. */
  pageSize: number;
  /** Whether the metadata service is there. */
  machine: boolean;
  subscriptions: readonly string[];
  /** Returns the zone's path. */
  addZone(name: string, more?: ZonePlace): string;
  removeZone(id: string): void;
  plant(zoneId: string, name: string, set: Omit<AzureRecordSet, "etag">): void;
  unplant(recordName: string): void;
  set(recordName: string): AzureRecordSet | undefined;
  /** All TXT values at a name given in full. */
  values(recordName: string): string[];
  /** The app registration trusts this certificate. */
  trust(certificate: X509Certificate): void;
  /** Forbids everybody these actions, e.g. `Microsoft.Network/dnsZones/TXT/write`. */
  deny(...actions: readonly string[]): void;
  allowAll(): void;
  close(): Promise<void>;
}

export const azureApp = {
  subscriptionId: "00000000-0000-4000-8000-000000000001",
  tenantId: "11111111-1111-4111-8111-111111111111",
  clientId: "22222222-2222-4222-8222-222222222222",
  clientSecret: "fake~secret~value",
} as const;
export const azureOuterToken = "outer-federated-token";
export const azureJobToken = "github-job-token";
export const azureIdentityHeader = "fake-identity-header";

interface HeldZone {
  readonly id: string;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly zoneType: string;
  readonly nameServers: readonly string[];
  readonly sets: Map<string, AzureRecordSet>;
}

interface World {
  readonly zones: Map<string, HeldZone>;
  readonly tokens: Set<string>;
  readonly certificates: X509Certificate[];
  denied: readonly string[];
}

export async function startAzureFake(): Promise<AzureFake> {
  const world: World = { zones: new Map(), tokens: new Set(), certificates: [], denied: [] };
  const server = createServer((request, response) => void answer(fake, world, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const all = () => [...world.zones.values()];
  const set = (recordName: string) => {
    for (const zone of all())
      for (const [name, held] of zone.sets)
        if ((name === "@" ? zone.name : `${name}.${zone.name}`) === recordName) return held;
    return undefined;
  };
  const fake: AzureFake = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    faults: faultScript(),
    pageSize: 100,
    machine: false,
    subscriptions: [azureApp.subscriptionId],
    addZone(name, more = {}) {
      const { group = "dns", isPrivate = false, zoneType = "Public" } = more;
      const { nameServers = ["ns1-01.azure-dns.com."] } = more;
      const type = isPrivate ? "privateDnsZones" : "dnszones";
      const id = `/subscriptions/${azureApp.subscriptionId}/resourceGroups/${group}/providers/Microsoft.Network/${type}/${name}`;
      world.zones.set(id.toLowerCase(), {
        id,
        name,
        isPrivate,
        zoneType,
        nameServers,
        sets: new Map(),
      });
      return id;
    },
    removeZone: (id) => void world.zones.delete(id.toLowerCase()),
    plant: (zoneId, name, planted) =>
      void world.zones
        .get(zoneId.toLowerCase())
        ?.sets.set(name, { etag: randomUUID(), ...planted }),
    unplant(recordName) {
      for (const zone of all())
        for (const name of zone.sets.keys())
          if (`${name}.${zone.name}` === recordName) zone.sets.delete(name);
    },
    set,
    values: (recordName) => (set(recordName)?.records ?? []).map((record) => record.join("")),
    trust: (certificate) => void world.certificates.push(certificate),
    deny: (...actions) => void (world.denied = actions),
    allowAll: () => void (world.denied = []),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** The body of an error of the management API. */
export function azureError(code: string, message: string): string {
  return JSON.stringify({ error: { code, message } });
}

class Refusal extends Error {
  readonly status: number;
  readonly body: string;
  constructor(status: number, body: string) {
    super(body);
    this.status = status;
    this.body = body;
  }
}

const refuse = (status: number, code: string, message: string) =>
  new Refusal(status, azureError(code, message));

/** The body of an error of the login. */
export function loginError(code: number, message: string, error = "invalid_client"): string {
  const trace = `Trace ID: ${randomUUID()} Correlation ID: ${randomUUID()} Timestamp: 2026-01-01 00:00:00Z`;
  return JSON.stringify({
    error,
    error_description: `AADSTS${code}: ${message}\r\n${trace}`,
    error_codes: [code],
  });
}

interface Done {
  readonly status: number;
  readonly body?: object;
}

async function answer(
  fake: AzureFake,
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const url = new URL(request.url ?? "/", fake.url);
  const sent = await text(request);
  const operation = operations.find(
    ({ method, path }) => method === request.method && path.test(url.pathname),
  );
  const action = operation?.action ?? `${request.method} ${url.pathname}`;
  const query = Object.fromEntries(url.searchParams);
  const isForm = request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
  const body: unknown =
    sent === ""
      ? undefined
      : isForm
        ? Object.fromEntries(new URLSearchParams(sent))
        : JSON.parse(sent);
  fake.requests.push({ action, path: url.pathname, query, body, headers: request.headers });
  const work = (): Done => {
    if (operation === undefined)
      throw refuse(404, "InvalidResourceType", "The resource type could not be found.");
    const ids = (operation.path.exec(url.pathname)?.slice(1) ?? []).map(decodeURIComponent);
    return operation.run({ fake, world, ids, url, query, body, headers: request.headers });
  };
  const fault = fake.faults.take(action);
  if (fault !== undefined) return befall(fault, response, work);
  const json = { "content-type": "application/json; charset=utf-8" };
  try {
    const done = work();
    response.writeHead(done.status, json);
    response.end(done.body === undefined ? undefined : JSON.stringify(done.body));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    response.writeHead(error.status, json);
    response.end(error.body);
  }
}

interface Question {
  readonly fake: AzureFake;
  readonly world: World;
  readonly ids: readonly string[];
  readonly url: URL;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: IncomingMessage["headers"];
}

interface Operation {
  readonly action: string;
  readonly method: string;
  readonly path: RegExp;
  run(question: Question): Done;
}

const subscription = "^/subscriptions/([^/]+)";
const kinds = "providers/Microsoft.Network/(dnsZones|privateDnsZones)";
const zone = `${subscription}/resourceGroups/([^/]+)/${kinds}/([^/]+)`;
const operations: readonly Operation[] = [
  { action: "GET subscriptions", method: "GET", path: /^\/subscriptions$/, run: listSubscriptions },
  {
    action: "GET zones",
    method: "GET",
    path: new RegExp(`${subscription}/()${kinds}$`, "i"),
    run: listZones,
  },
  {
    action: "GET zones",
    method: "GET",
    path: new RegExp(`${subscription}/resourceGroups/([^/]+)/${kinds}$`, "i"),
    run: listZones,
  },
  { action: "GET zone", method: "GET", path: new RegExp(`${zone}$`, "i"), run: getZone },
  ...(["TXT", "TLSA"] as const).flatMap((type): Operation[] => {
    const path = new RegExp(`${zone}/${type}/([^/]+)$`, "i");
    return [
      { action: `GET ${type}`, method: "GET", path, run: (asked) => getSet(asked, type) },
      { action: `PUT ${type}`, method: "PUT", path, run: (asked) => putSet(asked, type) },
      { action: `DELETE ${type}`, method: "DELETE", path, run: (asked) => deleteSet(asked, type) },
    ];
  }),
  { action: "POST token", method: "POST", path: /^\/([^/]+)\/oauth2\/v2\.0\/token$/, run: logIn },
  { action: "GET imds", method: "GET", path: /^\/metadata\/identity\/oauth2\/token$/, run: imds },
  { action: "GET endpoint", method: "GET", path: /^\/msi\/token$/, run: appService },
  { action: "GET github", method: "GET", path: /^\/github$/, run: gitHub },
];

function issued(world: World): string {
  const token = `eyJ0eXAiOiJKV1Qi.fake.${world.tokens.size}`;
  world.tokens.add(token);
  return token;
}

function logIn({ fake, world, ids: [tenant], body }: Question): Done {
  const sent = body as Record<string, string>;
  const fail = (code: number, message: string, error?: string) =>
    new Refusal(code === 7_000_215 ? 401 : 400, loginError(code, message, error));
  if (tenant !== azureApp.tenantId)
    throw fail(90_002, `Tenant '${tenant}' not found.`, "invalid_request");
  if (sent["client_id"] !== azureApp.clientId)
    throw fail(
      700_016,
      `Application with identifier '${sent["client_id"]}' was not found in the directory.`,
      "unauthorized_client",
    );
  if (sent["scope"] !== "https://management.azure.com/.default")
    throw fail(500_011, "The resource principal was not found in the tenant.", "invalid_resource");
  const { client_secret: secret, client_assertion: assertion } = sent;
  if (assertion !== undefined) checkAssertion(fake, world, assertion);
  else if (secret !== azureApp.clientSecret)
    throw fail(
      7_000_215,
      "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.",
    );
  return {
    status: 200,
    body: { token_type: "Bearer", expires_in: 3_599, access_token: issued(world) },
  };
}

function checkAssertion(fake: AzureFake, world: World, assertion: string): void {
  if (assertion === azureOuterToken) return;
  const [header = "", claims = "", signature = ""] = assertion.split(".");
  if (signature === "")
    throw new Refusal(
      400,
      loginError(70_021, "No matching federated identity record found for presented assertion."),
    );
  const said = JSON.parse(Buffer.from(header, "base64url").toString()) as Record<string, string>;
  const about = JSON.parse(Buffer.from(claims, "base64url").toString()) as Record<string, unknown>;
  const certificate = world.certificates.find(
    ({ raw }) => createHash("sha256").update(raw).digest("base64url") === said["x5t#S256"],
  );
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
  const isGood =
    certificate !== undefined &&
    said["alg"] === "PS256" &&
    about["iss"] === azureApp.clientId &&
    about["sub"] === azureApp.clientId &&
    about["aud"] === `${fake.url}/${azureApp.tenantId}/oauth2/v2.0/token` &&
    verify(
      "sha256",
      Buffer.from(`${header}.${claims}`),
      { key: certificate.publicKey, ...padding },
      Buffer.from(signature, "base64url"),
    );
  if (!isGood)
    throw new Refusal(
      401,
      loginError(
        700_027,
        "The certificate with identifier used to sign the client assertion is not registered on application.",
      ),
    );
}

/** Without its header it answers nobody, and it knows one user-assigned identity. */
function imds({ fake, world, query, headers }: Question): Done {
  if (!fake.machine) throw new Refusal(502, "");
  if (headers["metadata"] !== "true" || query["api-version"] !== "2018-02-01")
    throw new Refusal(
      400,
      JSON.stringify({
        error: "invalid_request",
        error_description: "Required metadata header not specified",
      }),
    );
  return machineToken(world, query);
}

function appService({ world, query, headers }: Question): Done {
  if (headers["x-identity-header"] !== azureIdentityHeader)
    throw new Refusal(403, JSON.stringify({ error: "forbidden" }));
  return machineToken(world, query);
}

function machineToken(world: World, query: Question["query"]): Done {
  if (query["client_id"] !== undefined && query["client_id"] !== azureApp.clientId)
    throw new Refusal(
      400,
      JSON.stringify({ error: "invalid_request", error_description: "Identity not found" }),
    );
  const until = String(Math.floor(Date.now() / 1_000) + 86_400);
  return {
    status: 200,
    body: { access_token: issued(world), expires_on: until, resource: query["resource"] },
  };
}

function gitHub({ query, headers }: Question): Done {
  if (
    headers.authorization !== `Bearer ${azureJobToken}` ||
    query["audience"] !== "api://AzureADTokenExchange"
  )
    throw new Refusal(401, "{}");
  return { status: 200, body: { value: azureOuterToken } };
}

function authorize({ world, headers, query, url, ids: [id] }: Question, action: string): void {
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
  if (!world.tokens.has(token) && !token.startsWith("given-"))
    throw refuse(401, "InvalidAuthenticationToken", "The access token is invalid.");
  if (query["api-version"] === undefined)
    throw refuse(
      400,
      "MissingApiVersionParameter",
      "The api-version query parameter (?api-version=) is required for all requests.",
    );
  if (id !== undefined && id !== azureApp.subscriptionId)
    throw refuse(404, "SubscriptionNotFound", `The subscription '${id}' could not be found.`);
  if (world.denied.some((denied) => denied.toLowerCase() === action.toLowerCase()))
    throw refuse(
      403,
      "AuthorizationFailed",
      `The client '${azureApp.clientId}' with object id '33333333-3333-4333-8333-333333333333' does not have authorization to perform action '${action}' over scope '${decodeURIComponent(url.pathname)}' or the scope is invalid. If access was recently granted, please refresh your credentials.`,
    );
}

function listSubscriptions(question: Question): Done {
  authorize(question, "Microsoft.Resources/subscriptions/read");
  const items = question.fake.subscriptions.map((subscriptionId) => ({
    subscriptionId,
    displayName: `Subscription ${subscriptionId.slice(-1)}`,
  }));
  return { status: 200, body: paged(question, items) };
}

function listZones(question: Question): Done {
  const { world, ids } = question;
  const [, group = "", kind = ""] = ids;
  authorize(question, `Microsoft.Network/${kind}/read`);
  const wanted = kind.toLowerCase() === "privatednszones";
  const found = [...world.zones.values()].filter(
    ({ isPrivate, id }) =>
      isPrivate === wanted &&
      (group === "" || id.toLowerCase().includes(`/resourcegroups/${group.toLowerCase()}/`)),
  );
  return { status: 200, body: paged(question, found.map(shownZone)) };
}

function shownZone({ id, name, isPrivate, zoneType, nameServers }: HeldZone): object {
  const properties = isPrivate ? {} : { zoneType, nameServers };
  const type = `Microsoft.Network/${isPrivate ? "privateDnsZones" : "dnszones"}`;
  return { id, name, type, location: "global", etag: "e", properties };
}

function paged({ fake, url, query }: Question, items: readonly object[]): object {
  const from = Number(query["$skipToken"] ?? 0);
  const to = from + fake.pageSize;
  if (to >= items.length) return { value: items.slice(from) };
  const next = new URL(url);
  next.searchParams.set("$skipToken", String(to));
  return { value: items.slice(from, to), nextLink: next.href };
}

function findZone({ world, url, ids: [, , , name] }: Question): HeldZone | undefined {
  const path = decodeURIComponent(url.pathname).toLowerCase();
  return [...world.zones.values()].find((held) => {
    const id = held.id.toLowerCase();
    return held.name === name?.toLowerCase() && (path === id || path.startsWith(`${id}/`));
  });
}

function getZone(question: Question): Done {
  authorize(question, `Microsoft.Network/${question.ids[2]}/read`);
  const found = findZone(question);
  if (found === undefined)
    throw refuse(
      404,
      "ResourceNotFound",
      `The Resource 'Microsoft.Network/dnszones/${question.ids[3]}' under resource group '${question.ids[1]}' was not found.`,
    );
  return { status: 200, body: shownZone(found) };
}

function setsOf(question: Question): HeldZone {
  const found = findZone(question);
  if (found !== undefined) return found;
  throw refuse(
    404,
    "ParentResourceNotFound",
    `Can not perform requested operation on nested resource. Parent resource '${question.ids[3]}' not found.`,
  );
}

type SetType = "TXT" | "TLSA";

/** Private zones have no TLSA sets, nor have the older versions of the API. */
function authorizeSet(question: Question, type: SetType, verb: string): void {
  authorize(question, `Microsoft.Network/dnsZones/${type}/${verb}`);
  const isKnown = question.query["api-version"] === "2023-07-01-preview";
  if (type === "TLSA" && (!isKnown || question.ids[2]?.toLowerCase() !== "dnszones"))
    throw refuse(404, "InvalidResourceType", "The resource type could not be found.");
}

function getSet(question: Question, type: SetType): Done {
  authorizeSet(question, type, "read");
  const { sets, ...held } = setsOf(question);
  const name = question.ids[4] ?? "";
  const set = sets.get(name);
  if (set === undefined || (set.type ?? "TXT") !== type) {
    // Unlike other errors this one is alone.
    const message = `The resource record '${name}' does not exist in resource group '${question.ids[1]}' of subscription '${question.ids[0]}'.`;
    throw new Refusal(404, JSON.stringify({ code: "NotFound", message }));
  }
  return { status: 200, body: shownSet({ sets, ...held }, name, set) };
}

function shownSet(
  zone: HeldZone,
  name: string,
  { etag, ttl, records, metadata, type = "TXT" }: AzureRecordSet,
): object {
  const fqdn = name === "@" ? `${zone.name}.` : `${name}.${zone.name}.`;
  const values =
    type === "TLSA"
      ? { TLSARecords: records.map(([text = ""]) => tlsaOf(text)) }
      : { TXTRecords: records.map((value) => ({ value })) };
  const properties = zone.isPrivate
    ? { ttl, fqdn, txtRecords: values.TXTRecords }
    : { TTL: ttl, fqdn, provisioningState: "Succeeded", ...values };
  const kept = metadata === undefined ? {} : { metadata };
  return {
    id: `${zone.id}/${type}/${name}`,
    name,
    type: `Microsoft.Network/dnszones/${type}`,
    etag,
    properties: { ...properties, ...kept },
  };
}

/** Whoever writes says what he has seen: an etag, or that there was nothing. */
function precondition(headers: IncomingMessage["headers"], held: AzureRecordSet | undefined): void {
  const { "if-match": match, "if-none-match": none } = headers;
  if ((none === "*" && held !== undefined) || (match !== undefined && match !== held?.etag))
    throw refuse(
      412,
      "PreconditionFailed",
      "The condition '*' in the If-None-Match header, or the etag in the If-Match header, was not satisfied.",
    );
}

function tlsaOf(text: string) {
  const [usage, selector, matchingType, data] = text.split(" ");
  const numbers = [usage, selector, matchingType].map(Number);
  return {
    usage: numbers[0],
    selector: numbers[1],
    matchingType: numbers[2],
    certAssociationData: data?.toUpperCase(),
  };
}

type Tlsa = ReturnType<typeof tlsaOf>;

function recordsIn(
  properties: Record<string, unknown>,
  type: SetType,
  isPrivate: boolean,
): string[][] {
  const listed = properties[
    type === "TLSA" ? "TLSARecords" : isPrivate ? "txtRecords" : "TXTRecords"
  ] as ({ value: string[] } & Tlsa)[] | undefined;
  return (listed ?? []).map(({ value, usage, selector, matchingType, certAssociationData }) => {
    if (type === "TXT") return value;
    const isWhole = [usage, selector, matchingType].every(Number.isInteger) && certAssociationData;
    if (!isWhole) throw refuse(400, "BadRequest", "The TLSA record is malformed.");
    return [[usage, selector, matchingType, certAssociationData].join(" ")];
  });
}

function putSet(question: Question, type: SetType): Done {
  authorizeSet(question, type, "write");
  const zone = setsOf(question);
  const name = question.ids[4] ?? "";
  const held = zone.sets.get(name);
  precondition(question.headers, held);
  const { properties } = question.body as { properties: Record<string, unknown> };
  const ttl = properties[zone.isPrivate ? "ttl" : "TTL"];
  const records = recordsIn(properties, type, zone.isPrivate);
  if (typeof ttl !== "number" || records.length === 0)
    throw refuse(400, "BadRequest", "The record set is malformed.");
  if (records.length > 20)
    throw refuse(400, "BadRequest", `The record set '${name}' has more than 20 records.`);
  const made = {
    etag: randomUUID(),
    ttl,
    records,
    metadata: properties["metadata"],
    type,
  };
  zone.sets.set(name, made);
  return { status: held === undefined ? 201 : 200, body: shownSet(zone, name, made) };
}

function deleteSet(question: Question, type: SetType): Done {
  authorizeSet(question, type, "delete");
  const { sets } = setsOf(question);
  const name = question.ids[4] ?? "";
  const held = sets.get(name);
  if (held === undefined) return { status: 204 };
  precondition(question.headers, held);
  sets.delete(name);
  return { status: 200 };
}
