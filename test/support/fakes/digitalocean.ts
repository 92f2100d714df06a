/** DigitalOcean's API v2, as much as DNS clients use, with the rules that a solver can break and a script of bad days. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { befall, faultScript } from "./faults.ts";
import type { Faults } from "./faults.ts";

export interface DigitalOceanRecord {
  readonly id: number;
  readonly type: string;
  /** Relative to the domain, `@` for itself. */
  readonly name: string;
  readonly data: string;
  readonly ttl: number;
}

export interface DigitalOceanRequest {
  /** `GET domains`, `GET records`, `POST records`, `DELETE records`. */
  readonly action: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

export type Scope = "read" | "create" | "update" | "delete";

export interface DigitalOceanFake {
  /** For `DO_API_URL`, without `/v2`. */
  readonly url: string;
  readonly requests: DigitalOceanRequest[];
  readonly faults: Faults;
  /** At most so many results a page, whatever was asked. */
  pageSize: number;
  addDomain(name: string): void;
  removeDomain(name: string): void;
  plant(domain: string, record: Omit<DigitalOceanRecord, "id">): number;
  unplant(id: number): void;
  /** Everything at a name, given in full. */
  records(name: string): DigitalOceanRecord[];
  /** All TXT values at a name, given in full. */
  values(name: string): string[];
  /** Whoever holds this token may do that with the domains of its team; all domains without a list. */
  addToken(token: string, scopes: readonly Scope[], domains?: readonly string[]): void;
  close(): Promise<void>;
}

export const digitalOceanToken = `dop_v1_${"0123456789abcdef".repeat(4)}`;

interface Rights {
  readonly scopes: readonly Scope[];
  readonly domains: readonly string[] | undefined;
}

interface World {
  readonly domains: Map<string, DigitalOceanRecord[]>;
  readonly tokens: Map<string, Rights>;
  lastId: number;
}

export async function startDigitalOceanFake(): Promise<DigitalOceanFake> {
  const world: World = {
    domains: new Map(),
    tokens: new Map([[digitalOceanToken, { scopes: ["read", "update"], domains: undefined }]]),
    lastId: 28_448_428,
  };
  const server = createServer((request, response) => void answer(fake, world, request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const records = (name: string) =>
    [...world.domains].flatMap(([domain, held]) =>
      held.filter((record) => fullName(record.name, domain) === name),
    );
  const fake: DigitalOceanFake = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: [],
    faults: faultScript(),
    pageSize: 200,
    addDomain: (name) => void world.domains.set(name, []),
    removeDomain: (name) => void world.domains.delete(name),
    plant(domain, record) {
      world.lastId += 1;
      world.domains.get(domain)?.push({ id: world.lastId, ...record });
      return world.lastId;
    },
    unplant(id) {
      for (const [domain, held] of world.domains)
        world.domains.set(
          domain,
          held.filter((record) => record.id !== id),
        );
    },
    records,
    values: (name) =>
      records(name)
        .filter(({ type }) => type === "TXT")
        .map(({ data }) => data.replaceAll('"', "")),
    addToken: (token, scopes, domains) => void world.tokens.set(token, { scopes, domains }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return fake;
}

/** The body of DigitalOcean's errors. */
export function digitalOceanError(id: string, message: string): string {
  return JSON.stringify({ id, message, request_id: "4d9d8375-3c56-4925-a3e7-eb137fed17e9" });
}

class Refusal extends Error {
  readonly status: number;
  readonly id: string;
  constructor(status: number, id: string, message: string) {
    super(message);
    this.status = status;
    this.id = id;
  }
}

const notFound = () =>
  new Refusal(404, "not_found", "The resource you were accessing could not be found.");

const refuse = (message: string) => new Refusal(422, "unprocessable_entity", message);

async function answer(
  fake: DigitalOceanFake,
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
  const body: unknown = sent === "" ? undefined : JSON.parse(sent);
  fake.requests.push({ action, path: url.pathname, query, body, headers: request.headers });
  const work = () => {
    const rights = authenticate(world, request.headers);
    if (operation === undefined) throw notFound();
    const ids = (operation.path.exec(url.pathname)?.slice(1) ?? []).map(decodeURIComponent);
    return operation.run({ fake, world, rights, ids, url, query, body });
  };
  const fault = fake.faults.take(action);
  if (fault !== undefined) return befall(fault, response, work);
  try {
    const done = work();
    send(response, request.method === "POST" ? 201 : done === undefined ? 204 : 200, done);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    response.writeHead(error.status, { ...limits(), "content-type": "application/json" });
    response.end(digitalOceanError(error.id, error.message));
  }
}

function send(response: ServerResponse, status: number, body: object | undefined): void {
  response.writeHead(status, { ...limits(), "content-type": "application/json; charset=utf-8" });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function limits(): Record<string, string> {
  const reset = Math.floor(Date.now() / 1_000) + 3_600;
  return {
    "ratelimit-limit": "5000",
    "ratelimit-remaining": "4999",
    "ratelimit-reset": String(reset),
  };
}

function authenticate(world: World, headers: IncomingMessage["headers"]): Rights {
  const token = /^Bearer (\S+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
  const rights = world.tokens.get(token);
  if (rights === undefined) throw new Refusal(401, "unauthorized", "Unable to authenticate you.");
  return rights;
}

interface Question {
  readonly fake: DigitalOceanFake;
  readonly world: World;
  readonly rights: Rights;
  readonly ids: readonly string[];
  readonly url: URL;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
}

interface Operation {
  readonly action: string;
  readonly method: string;
  readonly path: RegExp;
  run(question: Question): object | undefined;
}

const listed = /^\/v2\/domains\/([^/]+)\/records$/;
const operations: readonly Operation[] = [
  { action: "GET domains", method: "GET", path: /^\/v2\/domains$/, run: listDomains },
  { action: "GET records", method: "GET", path: listed, run: listRecords },
  { action: "POST records", method: "POST", path: listed, run: createRecord },
  {
    action: "DELETE records",
    method: "DELETE",
    path: /^\/v2\/domains\/([^/]+)\/records\/([^/]+)$/,
    run: deleteRecord,
  },
];

function needs(rights: Rights, ...oneOf: readonly Scope[]): void {
  if (!oneOf.some((scope) => rights.scopes.includes(scope)))
    throw new Refusal(403, "forbidden", "You are not authorized to perform this operation");
}

function listDomains(question: Question): object {
  const { world, rights } = question;
  needs(rights, "read");
  const names = [...world.domains.keys()].filter((name) => rights.domains?.includes(name) ?? true);
  return paged(
    question,
    "domains",
    names.map((name) => ({ name, ttl: 1800, zone_file: `$ORIGIN ${name}.\n$TTL 1800\n` })),
  );
}

function recordsOf({ world, rights, ids: [domain = ""] }: Question): DigitalOceanRecord[] {
  const records = world.domains.get(domain);
  if (records === undefined || !(rights.domains?.includes(domain) ?? true)) throw notFound();
  return records;
}

/** The filter is a name in full, though names are stored relative. */
function listRecords(question: Question): object {
  const { rights, query, ids } = question;
  needs(rights, "read");
  const found = recordsOf(question).filter(
    ({ type, name }) =>
      (query["type"] ?? type) === type &&
      (query["name"] === undefined || query["name"] === fullName(name, ids[0] ?? "")),
  );
  return paged(question, "domain_records", found.map(shown));
}

function createRecord(question: Question): object {
  const { fake, rights, ids, body } = question;
  needs(rights, "create", "update");
  const records = recordsOf(question);
  const domain = ids[0] ?? "";
  const sent = body as Partial<DigitalOceanRecord>;
  if (typeof sent.ttl !== "number" || sent.ttl < 30)
    throw refuse("TTL must be greater than or equal to 30");
  if (sent.type !== "TXT") throw refuse("Type is not one that this server takes");
  if (typeof sent.data !== "string" || sent.data === "")
    throw refuse("Data needs to end with a dot");
  // A name in full has to end with a dot; all others are relative.
  const full = String(sent.name);
  const name = full.endsWith(`.${domain}.`) ? full.slice(0, -domain.length - 2) : full;
  if (name.endsWith(".")) throw refuse("Name is not within the domain");
  if (records.some((record) => record.name === name && record.type === "CNAME"))
    throw refuse("CNAME records cannot share a name with other records");
  const { data, ttl } = sent;
  const id = fake.plant(domain, { type: "TXT", name, data, ttl });
  return { domain_record: shown({ id, type: "TXT", name, data, ttl }) };
}

function deleteRecord(question: Question): undefined {
  needs(question.rights, "delete", "update");
  const id = Number(question.ids[1]);
  if (!recordsOf(question).some((record) => record.id === id)) throw notFound();
  question.fake.unplant(id);
}

function shown(record: DigitalOceanRecord): object {
  return { priority: null, port: null, weight: null, flags: null, tag: null, ...record };
}

/** `per_page` is 20 unless told, and 200 at most. */
function paged({ fake, url, query }: Question, list: string, items: readonly object[]): object {
  const page = Number(query["page"] ?? 1);
  const size = Math.min(Number(query["per_page"] ?? 20), 200, fake.pageSize);
  const last = Math.max(Math.ceil(items.length / size), 1);
  const at = (number: number) => {
    const address = new URL(url);
    address.searchParams.set("page", String(number));
    return address.href;
  };
  return {
    [list]: items.slice((page - 1) * size, page * size),
    links: page < last ? { pages: { next: at(page + 1), last: at(last) } } : {},
    meta: { total: items.length },
  };
}

function fullName(name: string, domain: string): string {
  return name === "@" ? domain : `${name}.${domain}`;
}
