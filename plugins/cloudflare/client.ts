/**
 * The only importer of Cloudflare's package, and of it only a few calls. The package's entry loads every product's
 * code; the build therefore bundles this one file, which is why it imports nothing else that runs.
 */
import { BaseRecords } from "cloudflare/resources/dns/records";
import { BaseZones } from "cloudflare/resources/zones/zones";
import { createClient } from "cloudflare/tree-shakable";

/** One of the two ways to be somebody; sending both is an error at Cloudflare. */
export type Credentials =
  | { readonly apiToken: string }
  | { readonly apiKey: string; readonly email: string };

export interface Page<T> {
  readonly items: readonly T[];
  /** True when there is a further page. */
  readonly more: boolean;
}

export interface ZoneEntry {
  readonly id: string;
  readonly name: string;
  /** `active`, `pending`, `initializing`, `moved`. */
  readonly status: string;
  /** Name and id of the account that has it. */
  readonly account: string;
}

export interface TxtRecord {
  readonly id: string;
  /** As stored, with its quotes if it has any. */
  readonly content: string;
}

export interface NewRecord {
  readonly zoneId: string;
  readonly name: string;
  readonly value: string;
  /** Seconds; 1 means automatic. */
  readonly ttl: number;
}

export interface BatchWork {
  readonly create: readonly Omit<NewRecord, "zoneId">[];
  readonly remove: readonly string[];
}

export interface MadeRecord extends TxtRecord {
  readonly name: string;
}

export interface TokenState {
  readonly id: string;
  /** `active`, `disabled`, `expired`. */
  readonly status: string;
  readonly expires: string | undefined;
}

/** Cloudflare's API v4; every call is made once and rejects with the package's error. */
export interface Api {
  /** Zones of every name when `name` is absent. */
  zones(query: ZoneQuery, signal: AbortSignal): Promise<Page<ZoneEntry>>;
  /** The name of the zone with this id; needs Zone:Read. */
  zoneName(zoneId: string, signal: AbortSignal): Promise<string>;
  records(
    zoneId: string,
    name: string,
    page: number,
    signal: AbortSignal,
  ): Promise<Page<TxtRecord>>;
  /** The id of the new record. */
  create(record: NewRecord, signal: AbortSignal): Promise<string>;
  remove(zoneId: string, recordId: string, signal: AbortSignal): Promise<void>;
  /** All of it or nothing; what was created. */
  batch(zoneId: string, work: BatchWork, signal: AbortSignal): Promise<readonly MadeRecord[]>;
  /** What the token says of itself; that of an account only when `accountId` is given. */
  verify(accountId: string | undefined, signal: AbortSignal): Promise<TokenState>;
}

export interface ZoneQuery {
  readonly name?: string;
  readonly accountId: string | undefined;
  readonly page: number;
}

/** Cloudflare allows 50 zones a page, and as many records as anybody will have at one name. */
const zonesPerPage = 50;
const recordsPerPage = 100;
const patience = 30_000;

/** A client that sends these credentials and, whatever the environment holds, no others. */
export function connect(credentials: Credentials, baseUrl: string): Api {
  const sdk = open(credentials, baseUrl);
  return {
    ...recordCalls(sdk),
    async zones({ name, accountId, page }, signal) {
      const query = {
        ...(name === undefined ? {} : { name }),
        ...(accountId === undefined ? {} : { account: { id: accountId } }),
        per_page: zonesPerPage,
        page,
      };
      const answer = await sdk.zones.list(query, { signal });
      return pageOf(answer, zonesPerPage, ({ id, name, status, account }) => {
        const owner = `${account?.name ?? "unnamed account"} (${account?.id ?? "no id"})`;
        return { id, name, status: status ?? "active", account: owner };
      });
    },
    async zoneName(zoneId, signal) {
      return textIn(await sdk.zones.get({ zone_id: zoneId }, { signal }), "name").toLowerCase();
    },
    async verify(accountId, signal) {
      const owner =
        accountId === undefined ? "/user" : `/accounts/${encodeURIComponent(accountId)}`;
      const answer: unknown = await sdk.get(`${owner}/tokens/verify`, { signal });
      const result = isRecord(answer) ? answer["result"] : undefined;
      const expires = isRecord(result) ? result["expires_on"] : undefined;
      return {
        id: textIn(result, "id"),
        status: textIn(result, "status"),
        expires: typeof expires === "string" ? expires : undefined,
      };
    },
  };
}

function open(credentials: Credentials, baseUrl: string) {
  return createClient({
    apiToken: "apiToken" in credentials ? credentials.apiToken : null,
    apiKey: "apiKey" in credentials ? credentials.apiKey : null,
    apiEmail: "apiKey" in credentials ? credentials.email : null,
    userServiceKey: null,
    baseURL: baseUrl,
    defaultHeaders: { "User-Agent": "acmectl" },
    // Its waits between attempts cannot be aborted, and last as long as the server likes.
    maxRetries: 0,
    timeout: patience,
    logLevel: "off",
    fetch: carefulFetch,
    resources: [BaseZones, BaseRecords] as const,
  });
}

function recordCalls(
  sdk: ReturnType<typeof open>,
): Pick<Api, "records" | "create" | "remove" | "batch"> {
  return {
    async records(zoneId, name, page, signal) {
      const filter = { type: "TXT", name: { exact: name } } as const;
      const query = { zone_id: zoneId, ...filter, per_page: recordsPerPage, page };
      const answer = await sdk.dns.records.list(query, { signal });
      return pageOf(answer, recordsPerPage, ({ id, content }) => ({ id, content: content ?? "" }));
    },
    async create({ zoneId, ...record }, signal) {
      const body = { zone_id: zoneId, ...txt(record) };
      const made = await sdk.dns.records.create(body, { signal });
      return textIn(made, "id");
    },
    async remove(zoneId, recordId, signal) {
      const gone = await sdk.dns.records.delete(recordId, { zone_id: zoneId }, { signal });
      textIn(gone, "id");
    },
    async batch(zoneId, { create, remove }, signal) {
      const body = { deletes: remove.map((id) => ({ id })), posts: create.map(txt) };
      const answer: unknown = await sdk.dns.records.batch({ zone_id: zoneId, ...body }, { signal });
      const posts = isRecord(answer) && Array.isArray(answer["posts"]) ? answer["posts"] : [];
      if (!isRecord(answer) || posts.length < create.length)
        throw new SyntaxError("a batch that did not do its work");
      return posts.map((made: unknown) => {
        return {
          id: textIn(made, "id"),
          name: textIn(made, "name"),
          content: textIn(made, "content"),
        };
      });
    },
  };
}

function txt({ name, value, ttl }: Omit<NewRecord, "zoneId">) {
  return { type: "TXT", name, content: `"${value}"`, ttl, comment: "acmectl" } as const;
}

/** The credentials go to the address that was configured and nowhere else, and a body too has to come in time. */
function carefulFetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const late = AbortSignal.timeout(patience);
  const signal = init?.signal ? AbortSignal.any([init.signal, late]) : late;
  return fetch(input, { ...init, redirect: "manual", signal });
}

interface Answer<T> {
  readonly result: readonly T[];
  readonly result_info: object;
}

/** The package asks on until a page is empty; the count of pages saves that request. */
function pageOf<T, R>(
  { result, result_info: info }: Answer<T>,
  size: number,
  read: (item: T) => R,
): Page<R> {
  const { page, total_pages: total }: { page?: unknown; total_pages?: unknown } = info;
  if (typeof page !== "number") throw new SyntaxError("a list without result_info");
  const more = typeof total === "number" ? page < total : result.length >= size;
  return { items: result.map(read), more };
}

function textIn(value: unknown, name: string): string {
  const text = isRecord(value) ? value[name] : undefined;
  if (typeof text !== "string") throw new SyntaxError(`an answer without ${name}`);
  return text;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
