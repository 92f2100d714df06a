/** Cloudflare's API v4, as much as DNS clients use, with the rules that a solver can break and a script of bad days. */
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { befall, faultScript } from "./faults.ts";
import type { Faults } from "./faults.ts";

export interface CloudflareRecord {
  readonly id: string;
  readonly type: string;
  readonly name: string;
  /** As sent, quotes included. */
  readonly content: string;
  readonly ttl: number;
  readonly comment?: string | null;
}

export interface CloudflareRequest {
  /** `GET zones`, `GET zone`, `POST dns_records`, `POST batch`, `DELETE dns_records`, `GET verify`. */
  readonly action: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export interface CloudflareFake {
  /** For `CLOUDFLARE_BASE_URL`, with `/client/v4`. */
  readonly url: string;
  readonly requests: CloudflareRequest[];
  readonly faults: Faults;
  /** At most so many results a page, whatever was asked. */
  pageSize: number;
  addZone(name: string, more?: { id?: string; status?: string; account?: string }): string;
  removeZone(id: string): void;
  plant(zoneId: string, record: Omit<CloudflareRecord, "id">): string;
  unplant(recordId: string): void;
  records(name: string): CloudflareRecord[];
  /** All TXT values at a name, without their quotes. */
  values(name: string): string[];
  /** Whoever holds this token; `zones` limits what it sees, `edit` what it may change. */
  addToken(token: string, rights?: Partial<Rights>): void;
  close(): Promise<void>;
}

export interface Rights {
  readonly status: "active" | "disabled" | "expired";
  readonly zones: readonly string[] | undefined;
  readonly read: boolean;
  readonly edit: boolean;
  /** A token of this account, which the user's endpoint does not know. */
  readonly account: string | undefined;
}

export const cloudflareToken = "cf-token-0123456789abcdefghijklmnopqrstuv";
export const cloudflareKey = {
  email: "ops@example.com",
  apiKey: "c2547eb745079dac9320b638f5e225cf483cc",
};

interface HeldZone {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly account: string;
  records: CloudflareRecord[];
}

interface World {
  readonly zones: Map<string, HeldZone>;
  readonly tokens: Map<string, Rights>;
}

const everything: Rights = {
  status: "active",
  zones: undefined,
  read: true,
  edit: true,
  account: undefined,
};

export async function startCloudflareFake(): Promise<CloudflareFake> {
  const world: World = { zones: new Map(), tokens: new Map([[cloudflareToken, everything]]) };
  const server = createServer((request, response) => {
    void answer(fake, world, request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const all = () => [...world.zones.values()];
  const records = (name: string) =>
    all().flatMap((zone) => zone.records.filter((record) => record.name === name));
  const fake: CloudflareFake = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/client/v4`,
    requests: [],
    faults: faultScript(),
    pageSize: 5_000,
    addZone(name, more = {}) {
      const id = more.id ?? newId();
      const { status = "active", account = accountId("main") } = more;
      world.zones.set(id, { id, name, status, account, records: [] });
      return id;
    },
    removeZone: (id) => void world.zones.delete(id),
    plant(zoneId, record) {
      const id = newId();
      world.zones.get(zoneId)?.records.push({ id, ...record });
      return id;
    },
    unplant(recordId) {
      for (const zone of all()) zone.records = zone.records.filter(({ id }) => id !== recordId);
    },
    records,
    values: (name) =>
      records(name)
        .filter(({ type }) => type === "TXT")
        .map(({ content }) => content.replaceAll('"', "")),
    addToken: (token, rights = {}) => void world.tokens.set(token, { ...everything, ...rights }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** 32 hexadecimal digits for a name, always the same. */
export function accountId(name: string): string {
  return Buffer.from(name).toString("hex").padEnd(32, "0").slice(0, 32);
}

interface Detail {
  readonly code: number;
  readonly message: string;
  readonly error_chain?: readonly Detail[];
}

class Refusal extends Error {
  readonly status: number;
  readonly details: readonly Detail[];
  constructor(status: number, ...details: readonly Detail[]) {
    super(details[0]?.message);
    this.status = status;
    this.details = details;
  }
}

/** The body of Cloudflare's errors. */
export function cloudflareError(...errors: readonly Detail[]): string {
  return JSON.stringify({ success: false, errors, messages: [], result: null });
}

async function answer(
  fake: CloudflareFake,
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
) {
  const url = new URL(request.url ?? "/", fake.url);
  const path = url.pathname.replace(/^\/client\/v4/, "");
  const sent = await text(request);
  const operation = operations.find(
    ({ method, path: pattern }) => method === request.method && pattern.test(path),
  );
  const action = operation?.action ?? `${request.method} ${path}`;
  const body: unknown = sent === "" ? undefined : JSON.parse(sent);
  const query = Object.fromEntries(url.searchParams);
  fake.requests.push({ action, path, query, body, headers: request.headers });
  const work = () => {
    const rights = authenticate(world, request.headers);
    if (operation === undefined)
      throw new Refusal(404, { code: 7000, message: "No route for that URI" });
    const ids = operation.path.exec(path)?.slice(1) ?? [];
    return operation.run({ fake, world, rights, ids, query, body });
  };
  const fault = fake.faults.take(action);
  if (fault !== undefined) return befall(fault, response, work);
  try {
    send(response, 200, { success: true, errors: [], messages: [], ...work() });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    send(response, error.status, {
      success: false,
      errors: error.details,
      messages: [],
      result: null,
    });
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** Bearer or key with e-mail, never both, and well formed before it is looked up. */
function authenticate(world: World, headers: IncomingMessage["headers"]): Rights {
  const { authorization, "x-auth-key": key, "x-auth-email": email } = headers;
  const malformed = (code: number, message: string) =>
    new Refusal(400, {
      code: 6003,
      message: "Invalid request headers",
      error_chain: [{ code, message }],
    });
  if (authorization !== undefined && (key !== undefined || email !== undefined))
    throw malformed(6111, "Invalid format for Authorization header");
  if (authorization !== undefined) {
    const token = /^Bearer ([\w-]{40,})$/.exec(authorization)?.[1];
    if (token === undefined) throw malformed(6111, "Invalid format for Authorization header");
    const rights = world.tokens.get(token);
    if (rights === undefined) throw new Refusal(401, { code: 1000, message: "Invalid API Token" });
    return rights;
  }
  if (typeof key !== "string" || !/^[0-9a-f]{37}$/.test(key))
    throw malformed(6103, "Invalid format for X-Auth-Key header");
  if (key !== cloudflareKey.apiKey || email !== cloudflareKey.email)
    throw new Refusal(403, { code: 9103, message: "Unknown X-Auth-Key or X-Auth-Email" });
  return everything;
}

interface Question {
  readonly fake: CloudflareFake;
  readonly world: World;
  readonly rights: Rights;
  readonly ids: readonly string[];
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

interface Operation {
  readonly action: string;
  readonly method: string;
  readonly path: RegExp;
  run(question: Question): object;
}

const operations: readonly Operation[] = [
  { action: "GET verify", method: "GET", path: /^\/user\/tokens\/verify$/, run: verify },
  {
    action: "GET verify",
    method: "GET",
    path: /^\/accounts\/([^/]+)\/tokens\/verify$/,
    run: verify,
  },
  { action: "GET zones", method: "GET", path: /^\/zones$/, run: listZones },
  { action: "GET zone", method: "GET", path: /^\/zones\/([^/]+)$/, run: getZone },
  {
    action: "GET dns_records",
    method: "GET",
    path: /^\/zones\/([^/]+)\/dns_records$/,
    run: listRecords,
  },
  {
    action: "POST dns_records",
    method: "POST",
    path: /^\/zones\/([^/]+)\/dns_records$/,
    run: createRecord,
  },
  {
    action: "POST batch",
    method: "POST",
    path: /^\/zones\/([^/]+)\/dns_records\/batch$/,
    run: batch,
  },
  {
    action: "DELETE dns_records",
    method: "DELETE",
    path: /^\/zones\/([^/]+)\/dns_records\/([^/]+)$/,
    run: deleteRecord,
  },
];

function verify({ rights, ids: [account] }: Question): object {
  if (rights.account !== account)
    throw new Refusal(401, { code: 1000, message: "Invalid API Token" });
  return { result: { id: "ed17574386854bf78a67040be0a770b0", status: rights.status } };
}

function alive(rights: Rights): void {
  if (rights.status !== "active")
    throw new Refusal(403, { code: 9109, message: "Invalid access token" });
}

function listZones({ fake, world, rights, query }: Question): object {
  alive(rights);
  if (!rights.read)
    throw new Refusal(403, {
      code: 0,
      message:
        "Actor 'com.cloudflare.api.token.1' requires permission \"com.cloudflare.api.account.zone.list\" to list zones",
    });
  const zones = [...world.zones.values()].filter(
    (zone) =>
      (rights.zones ?? [zone.id]).includes(zone.id) &&
      (query["name"] ?? zone.name) === zone.name &&
      (query["account.id"] ?? zone.account) === zone.account,
  );
  return paged(fake, query, 50, zones, ({ id, name, status, account }) => ({
    id,
    name,
    status,
    account: { id: account, name: `Account ${account}` },
    name_servers: ["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"],
  }));
}

function zoneOf({ world, rights, ids: [id = ""] }: Question): HeldZone {
  alive(rights);
  if (!/^[0-9a-f]{32}$/.test(id))
    throw new Refusal(404, {
      code: 7003,
      message: `Could not route to /client/v4/zones/${id}/dns_records, perhaps your object identifier is invalid?`,
    });
  const zone = world.zones.get(id);
  if (zone === undefined || !(rights.zones ?? [id]).includes(id))
    throw new Refusal(403, { code: 10_000, message: "Authentication error" });
  return zone;
}

function getZone(question: Question): object {
  const { id, name, status } = zoneOf(question);
  if (!question.rights.read)
    throw new Refusal(403, {
      code: 9109,
      message: "Unauthorized to access requested resource",
    });
  return { result: { id, name, status } };
}

function listRecords(question: Question): object {
  const { fake, query } = question;
  const records = zoneOf(question).records.filter(
    ({ type, name, content }) =>
      (query["type"] ?? type) === type &&
      (query["name.exact"] ?? query["name"] ?? name) === name &&
      (query["content.exact"] ?? query["content"] ?? content) === content,
  );
  return paged(fake, query, 5_000, records, (record) => record);
}

/** After the last page comes an empty one. */
function paged<T>(
  fake: CloudflareFake,
  query: Question["query"],
  most: number,
  items: readonly T[],
  show: (item: T) => object,
) {
  const page = Number(query["page"] ?? 1);
  const size = Math.min(Number(query["per_page"] ?? 20), most, fake.pageSize);
  const shown = items.slice((page - 1) * size, page * size);
  return {
    result: shown.map(show),
    result_info: {
      page,
      per_page: size,
      count: shown.length,
      total_count: items.length,
      total_pages: Math.ceil(items.length / size),
    },
  };
}

function createRecord(question: Question): object {
  const zone = zoneOf(question);
  if (!question.rights.edit)
    throw new Refusal(403, { code: 10_000, message: "Authentication error" });
  const { data, ...sent } = question.body as Omit<CloudflareRecord, "id"> & { data?: Tlsa };
  const { type, name, ttl, comment } = sent;
  const content = type === "TLSA" ? contentOf(data) : sent.content;
  const refuse = (code: number, message: string, inner: Detail) =>
    new Refusal(400, { code, message, error_chain: [inner] });
  if (name !== zone.name && !name.endsWith(`.${zone.name}`))
    throw refuse(1004, "DNS Validation Error", { code: 9000, message: "Invalid DNS record name" });
  if (typeof ttl !== "number" || (ttl !== 1 && (ttl < 60 || ttl > 86_400)))
    throw refuse(1004, "DNS Validation Error", {
      code: 9021,
      message: "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.",
    });
  const there = zone.records.filter((record) => record.name === name);
  if (there.some((record) => record.type === "CNAME"))
    throw new Refusal(400, {
      code: 81_054,
      message: "A CNAME record with that host already exists.",
    });
  if (there.some((record) => record.type === type && bare(record.content) === bare(content)))
    throw new Refusal(400, { code: 81_058, message: "An identical record already exists." });
  const record = { id: newId(), type, name, content, ttl, comment: comment ?? null };
  zone.records.push(record);
  const now = new Date().toISOString();
  const rest = { proxiable: false, proxied: false, settings: {}, tags: [] };
  return { result: { ...record, ...rest, created_on: now, modified_on: now } };
}

interface Tlsa {
  readonly usage: number;
  readonly selector: number;
  readonly matching_type: number;
  readonly certificate: string;
}

/** Cloudflare composes it of the fields, which are required. */
function contentOf(data: Tlsa | undefined): string {
  const { usage, selector, matching_type: matching, certificate } = data ?? {};
  if (![usage, selector, matching].every(Number.isInteger) || certificate === undefined)
    throw new Refusal(400, { code: 1004, message: "DNS Validation Error" });
  return [usage, selector, matching, certificate].join(" ");
}

function bare(content: string): string {
  return content.replace(/^"(.*)"$/, "$1");
}

function deleteRecord(question: Question): object {
  const zone = zoneOf(question);
  if (!question.rights.edit)
    throw new Refusal(403, { code: 10_000, message: "Authentication error" });
  const id = question.ids[1] ?? "";
  if (!zone.records.some((record) => record.id === id))
    throw new Refusal(404, { code: 81_044, message: "Record does not exist." });
  zone.records = zone.records.filter((record) => record.id !== id);
  return { result: { id } };
}

function result(answer: object): unknown {
  return "result" in answer ? answer.result : undefined;
}

/** Deletes before posts; the first that fails undoes all. */
function batch(question: Question): object {
  const zone = zoneOf(question);
  const before = zone.records;
  const { deletes = [], posts = [] } = question.body as {
    deletes?: readonly { id: string }[];
    posts?: readonly unknown[];
  };
  if (deletes.length + posts.length > 200)
    throw new Refusal(400, { code: 9207, message: "Too many operations in the batch." });
  try {
    zone.records = [...before];
    const ids = [...question.ids];
    return {
      result: {
        deletes: deletes.map(({ id }) => result(deleteRecord({ ...question, ids: [...ids, id] }))),
        patches: [],
        puts: [],
        posts: posts.map((body) => result(createRecord({ ...question, body }))),
      },
    };
  } catch (error) {
    zone.records = before;
    throw error;
  }
}

function newId(): string {
  return randomBytes(16).toString("hex");
}
