/**
 * The only importer of Cloudflare's package, and of it only a few calls. The package's entry loads every product's
 * code; the build therefore bundles this one file, which is why it imports nothing else that runs.
 */
import { BaseRecords } from "cloudflare/resources/dns/records";
import { BaseZones } from "cloudflare/resources/zones/zones";
import { createClient } from "cloudflare/tree-shakable";
import type { RecordType } from "acmectl/plugin";

/** Either kind; Cloudflare refuses both together. */
export type Credentials =
  | { readonly apiToken: string }
  | { readonly apiKey: string; readonly email: string };

/** `active`, `pending`, `initializing`, `moved`. */
export interface ZoneEntry {
  readonly id: string;
  /** In lower case. */
  readonly name: string;
  readonly status: string;
  /** Name and id of the account that has it. */
  readonly account: string;
}

interface StoredRecord {
  readonly id: string;
  readonly name: string;
  /** As stored: a TXT value may be in quotes. */
  readonly content: string;
}

interface NewRecord {
  readonly type: RecordType;
  readonly name: string;
  readonly value: string;
  /** Seconds; 1 means automatic. */
  readonly ttl: number;
}

export type Api = ReturnType<typeof connect>;

interface Connection {
  readonly credentials: Credentials;
  readonly baseUrl: string;
  /** Only zones of this account. */
  readonly accountId: string | undefined;
  /** As `fetch`. */
  readonly send: (url: string, init: RequestInit) => Promise<Response>;
}

/** Cloudflare allows 50 zones a page, and more records than anybody has at one name. */
const zonesPerPage = 50;
const recordsPerPage = 100;
/** A server that always names a next page would keep a run busy without an end. */
const mostPages = 1_000;
/** Milliseconds. */
const patience = 30_000;

/**
 * A client of Cloudflare's API v4 that sends these credentials and, whatever the environment contains, no others. Every call is
 * made once and rejects with the package's error.
 */
export function connect({ accountId, ...connection }: Connection) {
  const sdk = open(connection);
  const account = accountId === undefined ? {} : { account: { id: accountId } };
  return {
    ...recordCalls(sdk),
    /** All zones of a name; without one, the first page of all zones. */
    async zones(name: string | undefined, signal: AbortSignal) {
      const filter = { ...account, ...(name === undefined ? {} : { name }) };
      const zones: ZoneEntry[] = [];
      for (let page = 1; ; page += 1) {
        const query = { ...filter, per_page: zonesPerPage, page };
        const answer = await sdk.zones.list(query, { signal });
        zones.push(...answer.result.map(entryOf));
        const more = hasMore(answer, zonesPerPage);
        if (!more || name === undefined) return { zones, all: !more };
        assertPages(page);
      }
    },
    /** The name of the zone with this id; needs Zone:Read. */
    async zoneName(zoneId: string, signal: AbortSignal) {
      return textIn(await sdk.zones.get({ zone_id: zoneId }, { signal }), "name").toLowerCase();
    },
    /** The state of the token, as a user's, or as that of an account. */
    async verify(accountId: string | undefined, signal: AbortSignal) {
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

function open({ credentials, baseUrl, send }: Omit<Connection, "accountId">) {
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
    fetch: carefully(send),
    resources: [BaseZones, BaseRecords] as const,
  });
}

type Sdk = ReturnType<typeof open>;

function recordCalls(sdk: Sdk) {
  return {
    /** All records of a type with this name. */
    async records(zoneId: string, name: string, type: RecordType, signal: AbortSignal) {
      const filter = { type, name: { exact: name } } as const;
      const records: StoredRecord[] = [];
      for (let page = 1; ; page += 1) {
        const query = { zone_id: zoneId, ...filter, per_page: recordsPerPage, page };
        const answer = await sdk.dns.records.list(query, { signal });
        records.push(...answer.result.map(({ id, content = "" }) => ({ id, name, content })));
        if (!hasMore(answer, recordsPerPage)) return records;
        assertPages(page);
      }
    },
    /** The id of the new record. */
    async create(zoneId: string, record: NewRecord, signal: AbortSignal) {
      const body = { zone_id: zoneId, ...bodyOf(record) };
      return textIn(await sdk.dns.records.create(body, { signal }), "id");
    },
    async remove(zoneId: string, recordId: string, signal: AbortSignal) {
      const gone = await sdk.dns.records.delete(recordId, { zone_id: zoneId }, { signal });
      textIn(gone, "id");
    },
    /** All of it or nothing; what was created. */
    async createAll(zoneId: string, records: readonly NewRecord[], signal: AbortSignal) {
      const body = { zone_id: zoneId, posts: records.map(bodyOf) };
      const answer: unknown = await sdk.dns.records.batch(body, { signal });
      const posts = isRecord(answer) && Array.isArray(answer["posts"]) ? answer["posts"] : [];
      if (posts.length < records.length) throw new SyntaxError("a batch that did not do its work");
      return posts.map((made: unknown) => {
        const content = textIn(made, "content");
        return { id: textIn(made, "id"), name: textIn(made, "name"), content };
      });
    },
    async removeAll(zoneId: string, recordIds: readonly string[], signal: AbortSignal) {
      const body = { zone_id: zoneId, deletes: recordIds.map((id) => ({ id })) };
      const answer: unknown = await sdk.dns.records.batch(body, { signal });
      if (!isRecord(answer)) throw new SyntaxError("a batch that did not do its work");
    },
  };
}

function bodyOf({ type, name, value, ttl }: NewRecord) {
  const common = { name, ttl, comment: "acmectl" };
  if (type === "TXT") return { type, content: `"${value}"`, ...common };
  const [usage = "", selector = "", matching = "", certificate = ""] = value.split(" ");
  const fields = { usage: Number(usage), selector: Number(selector) };
  const data = { ...fields, matching_type: Number(matching), certificate };
  return { type, data, ...common };
}

/** The credentials go to the address that was configured and nowhere else, and a body too has to come in time. */
function carefully(send: Connection["send"]): typeof fetch {
  return (input, init) => {
    const late = AbortSignal.timeout(patience);
    const signal = init?.signal ? AbortSignal.any([init.signal, late]) : late;
    const url = input instanceof Request ? input.url : String(input);
    return send(url, { ...init, redirect: "manual", signal });
  };
}

function entryOf({
  id,
  name,
  status,
  account,
}: Awaited<ReturnType<Sdk["zones"]["list"]>>["result"][number]): ZoneEntry {
  const owner = `${account?.name ?? "unnamed account"} (${account?.id ?? "no id"})`;
  return { id, name: name.toLowerCase(), status: status ?? "active", account: owner };
}

interface Page {
  readonly result: readonly unknown[];
  readonly result_info: object;
}

/** The package asks on until a page is empty; the count of pages saves that request. */
function hasMore({ result, result_info: info }: Page, size: number): boolean {
  const { page, total_pages: total }: { page?: unknown; total_pages?: unknown } = info;
  if (typeof page !== "number") throw new SyntaxError("a list without result_info");
  return typeof total === "number" ? page < total : result.length >= size;
}

function assertPages(page: number): void {
  if (page >= mostPages) throw new SyntaxError(`a list of more than ${mostPages} pages`);
}

function textIn(value: unknown, name: string): string {
  const text = isRecord(value) ? value[name] : undefined;
  if (typeof text !== "string") throw new SyntaxError(`an answer without ${name}`);
  return text;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}
