/**
 * Google, as much as a DNS client meets of it: Cloud DNS's API v1 with its rules, the token endpoint, the security token
 * service, IAM's impersonation and the metadata server; and a script of bad days.
 */
import { generateKeyPairSync, verify } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { isDeepStrictEqual } from "node:util";
import { befall, faultScript } from "./faults.ts";
import type { Faults } from "./faults.ts";

export interface GoogleRecordSet {
  /** With a trailing dot. */
  readonly name: string;
  readonly type: string;
  readonly ttl: number;
  readonly rrdatas: readonly string[];
  readonly routingPolicy?: object;
}

export interface GoogleRequest {
  /** `GET managedZones`, `GET rrsets`, `POST changes`, `GET changes`, `POST token`, `POST sts`, `POST iam`, `GET metadata`. */
  readonly action: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface GoogleFake {
  readonly url: string;
  readonly requests: GoogleRequest[];
  readonly faults: Faults;
  /** At most so many results a page. */
  pageSize: number;
  /** How often a change is said to be pending before it is done. */
  pendingPolls: number;
  /** Whether the metadata server is there. */
  machine: boolean;
  /** Private zones are listed before public ones. */
  addZone(
    name: string,
    dnsName: string,
    more?: { visibility?: "public" | "private"; nameServers?: readonly string[] },
  ): void;
  removeZone(name: string): void;
  plant(zone: string, set: GoogleRecordSet): void;
  unplant(zone: string, name: string): void;
  set(name: string): GoogleRecordSet | undefined;
  /** All TXT values at a name without a trailing dot, without their quotes. */
  values(name: string): string[];
  /** The JSON of a service account's key that the token endpoint knows. */
  serviceAccount(email: string): Record<string, string>;
  /** What `gcloud auth application-default login` writes. */
  userLogin(): Record<string, string>;
  /** Forbids this identity what has these names, e.g. `dns.changes.create`. */
  deny(...permissions: readonly string[]): void;
  allowAll(): void;
  close(): Promise<void>;
}

export const googleProject = "example-project";

interface HeldZone {
  readonly name: string;
  readonly dnsName: string;
  readonly visibility: "public" | "private";
  readonly nameServers: readonly string[];
  sets: GoogleRecordSet[];
  changes: { polls: number }[];
}

interface World {
  readonly zones: Map<string, HeldZone>;
  /** By access token: the scope that it is for. */
  readonly tokens: Map<string, string>;
  readonly keys: Map<string, KeyObject>;
  denied: readonly string[];
}

const refreshToken = "1//fake-refresh-token";
const clientSecret = "fake-client-secret";
export const googleSubjectToken = "outer-identity-token";

export async function startGoogleFake(): Promise<GoogleFake> {
  const world: World = { zones: new Map(), tokens: new Map(), keys: new Map(), denied: [] };
  const server = createServer((request, response) => void answer(fake, world, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const find = (name: string) =>
    [...world.zones.values()].flatMap(({ sets }) => sets).find((set) => set.name === `${name}.`);
  const fake: GoogleFake = {
    url,
    requests: [],
    faults: faultScript(),
    pageSize: 100,
    pendingPolls: 1,
    machine: false,
    addZone(
      name,
      dnsName,
      { visibility = "public", nameServers = ["ns-cloud-a1.googledomains.com."] } = {},
    ) {
      world.zones.set(name, {
        name,
        dnsName: `${dnsName}.`,
        visibility,
        nameServers,
        sets: [],
        changes: [],
      });
    },
    removeZone: (name) => void world.zones.delete(name),
    plant: (zone, set) => void world.zones.get(zone)?.sets.push(set),
    unplant(zone, name) {
      const held = world.zones.get(zone);
      if (held !== undefined) held.sets = held.sets.filter((set) => set.name !== `${name}.`);
    },
    set: find,
    values: (name) => (find(name)?.rrdatas ?? []).map((value) => value.replaceAll('"', "")),
    serviceAccount(email) {
      world.keys.set(email, publicKey);
      return {
        type: "service_account",
        project_id: googleProject,
        private_key_id: "8f2d",
        private_key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        client_email: email,
        token_uri: `${url}/token`,
      };
    },
    userLogin: () => ({
      type: "authorized_user",
      client_id: "764086051850.apps.googleusercontent.com",
      client_secret: clientSecret,
      refresh_token: refreshToken,
      quota_project_id: googleProject,
      token_uri: `${url}/token`,
    }),
    deny: (...permissions) => void (world.denied = permissions),
    allowAll: () => void (world.denied = []),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

interface Detail {
  readonly message: string;
  readonly reason: string;
}

/** The body of an error of Google's APIs. */
export function googleError(code: number, ...errors: readonly Detail[]): string {
  const shown = errors.map((error) => ({ ...error, domain: "global" }));
  return JSON.stringify({ error: { code, message: errors[0]?.message, errors: shown } });
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

function refuse(code: number, ...errors: readonly Detail[]): Refusal {
  return new Refusal(code, googleError(code, ...errors));
}

const oauthError = (status: number, error: string, description: string) =>
  new Refusal(status, JSON.stringify({ error, error_description: description }));

async function answer(
  fake: GoogleFake,
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
  const body: unknown = bodyOf(sent, String(request.headers["content-type"]));
  fake.requests.push({ action, path: url.pathname, query, body, headers: request.headers });
  const work = () => {
    if (operation === undefined) throw refuse(404, { reason: "notFound", message: "Not Found" });
    const ids = (operation.path.exec(url.pathname)?.slice(1) ?? []).map(decodeURIComponent);
    const question = { fake, world, ids, query, body, headers: request.headers };
    return operation.run(question);
  };
  const fault = fake.faults.take(action);
  if (fault !== undefined) return befall(fault, response, work);
  try {
    const done = JSON.stringify(work());
    response.writeHead(200, { "content-type": "application/json; charset=UTF-8" });
    response.end(done);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    response.writeHead(error.status, { "content-type": "application/json; charset=UTF-8" });
    response.end(error.body);
  }
}

function bodyOf(sent: string, type: string): unknown {
  if (sent === "") return undefined;
  if (type.startsWith("application/x-www-form-urlencoded"))
    return Object.fromEntries(new URLSearchParams(sent));
  return JSON.parse(sent);
}

interface Question {
  readonly fake: GoogleFake;
  readonly world: World;
  readonly ids: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: IncomingMessage["headers"];
}

interface Operation {
  readonly action: string;
  readonly method: string;
  readonly path: RegExp;
  run(question: Question): unknown;
}

const zones = String.raw`^/dns/v1/projects/([^/]+)/managedZones`;
const operations: readonly Operation[] = [
  { action: "GET managedZones", method: "GET", path: new RegExp(`${zones}$`), run: listZones },
  {
    action: "GET rrsets",
    method: "GET",
    path: new RegExp(`${zones}/([^/]+)/rrsets$`),
    run: listSets,
  },
  {
    action: "POST changes",
    method: "POST",
    path: new RegExp(`${zones}/([^/]+)/changes$`),
    run: change,
  },
  {
    action: "GET changes",
    method: "GET",
    path: new RegExp(`${zones}/([^/]+)/changes/([^/]+)$`),
    run: getChange,
  },
  { action: "POST token", method: "POST", path: /^\/token$/, run: grant },
  { action: "POST sts", method: "POST", path: /^\/sts$/, run: exchange },
  {
    action: "POST iam",
    method: "POST",
    path: /^\/v1\/projects\/-\/serviceAccounts\/(.+):generateAccessToken$/,
    run: impersonate,
  },
  { action: "GET metadata", method: "GET", path: /^\/computeMetadata\/v1\/(.*)$/, run: metadata },
];

const dnsScope = "https://www.googleapis.com/auth/ndev.clouddns.readwrite";
const cloudScope = "https://www.googleapis.com/auth/cloud-platform";

function issued(
  world: World,
  scope: string,
): { access_token: string; expires_in: number; token_type: string } {
  const token = `ya29.fake-${world.tokens.size}`;
  world.tokens.set(token, scope);
  return { access_token: token, expires_in: 3_599, token_type: "Bearer" };
}

function grant({ fake, world, body }: Question): object {
  const sent = body as Record<string, string>;
  if (sent["grant_type"] === "refresh_token") {
    if (sent["client_secret"] !== clientSecret)
      throw oauthError(401, "invalid_client", "The provided client secret is invalid.");
    if (sent["refresh_token"] !== refreshToken)
      throw oauthError(400, "invalid_grant", "Token has been expired or revoked.");
    return issued(world, dnsScope);
  }
  if (sent["grant_type"] !== "urn:ietf:params:oauth:grant-type:jwt-bearer")
    throw oauthError(400, "unsupported_grant_type", "Invalid grant_type");
  const [header = "", claims = "", signature = ""] = (sent["assertion"] ?? "").split(".");
  const said = JSON.parse(Buffer.from(claims, "base64url").toString()) as {
    iss: string;
    aud: string;
    scope: string;
    iat: number;
    exp: number;
  };
  const key = world.keys.get(said.iss);
  if (key === undefined) throw oauthError(400, "invalid_grant", "Invalid grant: account not found");
  if (
    !verify("sha256", Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, "base64url"))
  )
    throw oauthError(400, "invalid_grant", "Invalid JWT Signature.");
  if (
    said.aud !== `${fake.url}/token` ||
    said.exp - said.iat > 3_600 ||
    Math.abs(said.iat - Date.now() / 1_000) > 300
  )
    throw oauthError(
      400,
      "invalid_grant",
      "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe.",
    );
  return issued(world, said.scope);
}

function exchange({ world, body }: Question): object {
  const sent = body as Record<string, string>;
  // An AWS role shows a signed request that proves who it is.
  const isAws = decodeURIComponent(sent["subject_token"] ?? "").includes(
    "Action=GetCallerIdentity",
  );
  if (!isAws && sent["subject_token"] !== googleSubjectToken)
    throw oauthError(
      400,
      "invalid_grant",
      "The given credential is rejected by the attribute condition.",
    );
  const scope = String(sent["scope"]);
  const answer = issued(world, scope);
  return { ...answer, issued_token_type: "urn:ietf:params:oauth:token-type:access_token" };
}

function impersonate({ world, headers, body }: Question): object {
  if (bearer(world, headers) !== cloudScope) throw scopeInsufficient();
  forbid(world, "iam.serviceAccounts.getAccessToken", "IAM_PERMISSION_DENIED");
  const { scope } = body as { scope: readonly string[] };
  const { access_token: accessToken } = issued(world, scope.join(" "));
  return { accessToken, expireTime: new Date(Date.now() + 3_600_000).toISOString() };
}

/** Without its header the metadata server answers nobody. */
function metadata({ fake, world, ids: [path = ""], query, headers }: Question): unknown {
  if (!fake.machine) throw new Refusal(502, "nobody is here");
  if (headers["metadata-flavor"] !== "Google")
    throw new Refusal(403, JSON.stringify({ error: "Missing Metadata-Flavor:Google header" }));
  if (path === "project/project-id") return googleProject;
  if (path === "instance/service-accounts/default/token")
    return issued(world, query["scopes"] ?? cloudScope);
  return { computeMetadata: {} };
}

function bearer(world: World, headers: IncomingMessage["headers"]): string {
  const scope = world.tokens.get(/^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1] ?? "");
  if (scope === undefined)
    throw refuse(401, {
      reason: "authError",
      message: "Request had invalid authentication credentials.",
    });
  return scope;
}

const scopeInsufficient = () =>
  refuse(403, {
    reason: "insufficientPermissions",
    message: "Request had insufficient authentication scopes.",
  });

function forbid(world: World, permission: string, reason = "forbidden"): void {
  if (world.denied.includes(permission))
    throw refuse(403, {
      reason,
      message: `The caller lacks the permission '${permission}' required by the resource.`,
    });
}

function authorize({ world, headers, ids: [project] }: Question, permission: string): void {
  if (![dnsScope, cloudScope].includes(bearer(world, headers))) throw scopeInsufficient();
  if (project !== googleProject)
    throw refuse(404, {
      reason: "notFound",
      message: `The 'parameters.project' resource named '${project}' does not exist.`,
    });
  forbid(world, permission);
}

function listZones(question: Question): object {
  authorize(question, "dns.managedZones.list");
  const { world, query } = question;
  const found = [...world.zones.values()]
    .filter(({ dnsName }) => (query["dnsName"] ?? dnsName) === dnsName)
    .toSorted((one, other) => one.visibility.localeCompare(other.visibility));
  return paged(
    question,
    "managedZones",
    found.map(({ name, dnsName, visibility, nameServers }) => {
      return { kind: "dns#managedZone", name, dnsName, visibility, nameServers, id: "1234567890" };
    }),
  );
}

function zoneOf({ world, ids: [, name = ""] }: Question): HeldZone {
  const zone = world.zones.get(name);
  if (zone === undefined)
    throw refuse(404, {
      reason: "notFound",
      message: `The 'parameters.managedZone' resource named '${name}' does not exist.`,
    });
  return zone;
}

function listSets(question: Question): object {
  authorize(question, "dns.resourceRecordSets.list");
  const { query } = question;
  if (query["type"] !== undefined && query["name"] === undefined)
    throw refuse(400, {
      reason: "required",
      message: "The 'parameters.name' parameter is required.",
    });
  const found = zoneOf(question).sets.filter(
    ({ name, type }) => (query["name"] ?? name) === name && (query["type"] ?? type) === type,
  );
  return paged(
    question,
    "rrsets",
    found.map((set) => ({ kind: "dns#resourceRecordSet", ...set })),
  );
}

function paged({ fake, query }: Question, list: string, items: readonly object[]): object {
  const from = Number(query["pageToken"] ?? 0);
  const to = from + fake.pageSize;
  return {
    kind: `dns#${list}ListResponse`,
    [list]: items.slice(from, to),
    ...(to < items.length ? { nextPageToken: String(to) } : {}),
  };
}

/** All or nothing; a deletion quotes the whole set, TTL included, and an addition is alone at its name and type. */
function change(question: Question): object {
  authorize(question, "dns.changes.create");
  const zone = zoneOf(question);
  const sent = question.body as { deletions?: GoogleRecordSet[]; additions?: GoogleRecordSet[] };
  const { deletions = [], additions = [] } = sent;
  const errors: (Detail & { status: number })[] = [];
  let sets = zone.sets;
  for (const [index, gone] of deletions.entries()) {
    const held = sets.find((set) => isSame(set, gone));
    const entity = `entity.change.deletions[${index}]`;
    if (held === undefined)
      errors.push({
        status: 404,
        reason: "notFound",
        message: `The '${entity}' resource named '${gone.name} (${gone.type})' does not exist.`,
      });
    else if (
      held.ttl !== gone.ttl ||
      !isDeepStrictEqual(held.rrdatas.toSorted(), gone.rrdatas.toSorted())
    )
      errors.push({
        status: 412,
        reason: "conditionNotMet",
        message: `Precondition not met for '${entity}'`,
      });
    sets = sets.filter((set) => set !== held);
  }
  for (const [index, made] of additions.entries()) {
    const fault = faultOf(made, zone, sets, `entity.change.additions[${index}]`);
    if (fault !== undefined) errors.push(fault);
    sets = [
      ...sets,
      { ...made, rrdatas: made.type === "TXT" ? made.rrdatas.map(quoted) : made.rrdatas },
    ];
  }
  if (errors.length > 0)
    throw refuse(
      errors.every(({ status }) => status === errors[0]?.status) ? (errors[0]?.status ?? 400) : 412,
      ...errors.map(({ reason, message }) => ({ reason, message })),
    );
  zone.sets = sets;
  zone.changes.push({ polls: question.fake.pendingPolls });
  return {
    kind: "dns#change",
    id: String(zone.changes.length),
    startTime: new Date().toISOString(),
    status: "pending",
    deletions,
    additions,
  };
}

function faultOf(
  made: GoogleRecordSet,
  zone: HeldZone,
  sets: readonly GoogleRecordSet[],
  entity: string,
) {
  if (made.name !== zone.dnsName && !made.name.endsWith(`.${zone.dnsName}`))
    return {
      status: 400,
      reason: "invalidZoneApex",
      message: `The resource record set '${entity}' is invalid because the DNS name '${made.name}' may not be in this zone.`,
    };
  if (
    typeof made.ttl !== "number" ||
    made.rrdatas.length === 0 ||
    new Set(made.rrdatas).size < made.rrdatas.length
  )
    return { status: 400, reason: "invalid", message: `Invalid value for '${entity}'` };
  if (sets.some(({ name, type }) => name === made.name && type === "CNAME"))
    return {
      status: 400,
      reason: "cnameResourceRecordSetConflict",
      message: `The resource record set '${entity}' is invalid because a CNAME exists at its name.`,
    };
  if (sets.some((set) => isSame(set, made)))
    return {
      status: 409,
      reason: "alreadyExists",
      message: `The resource '${entity}' named '${made.name} (${made.type})' already exists`,
    };
  return undefined;
}

function isSame(one: GoogleRecordSet, other: GoogleRecordSet): boolean {
  return one.name === other.name && one.type === other.type;
}

function quoted(value: string): string {
  return value.startsWith('"') ? value : `"${value}"`;
}

function getChange(question: Question): object {
  authorize(question, "dns.changes.get");
  const id = question.ids[2] ?? "";
  const found = zoneOf(question).changes[Number(id) - 1];
  if (found === undefined)
    throw refuse(404, {
      reason: "notFound",
      message: `The 'parameters.changeId' resource named '${id}' does not exist.`,
    });
  found.polls -= 1;
  return { kind: "dns#change", id, status: found.polls >= 0 ? "pending" : "done" };
}
