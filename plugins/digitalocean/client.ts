/** DigitalOcean's API v2, as much of it as a solver needs. */
import { fieldOf, needText, Refusal, requestJson } from "acmectl/plugin/http";
import { digitalOcean } from "./vendor.ts";

export interface Page<T> {
  readonly items: readonly T[];
  /** True when there is a further page. */
  readonly more: boolean;
}

export interface TxtRecord {
  readonly id: number;
  readonly data: string;
}

export interface NewRecord {
  readonly domain: string;
  /** Relative to the domain, `@` for the domain itself. */
  readonly name: string;
  readonly value: string;
  /** Seconds. */
  readonly ttl: number;
}

/** Every call is made once; it rejects with a `Refusal` when DigitalOcean, or whatever stands before it, says no. */
export interface Api {
  /** Names of domains. */
  domains(page: number, signal: AbortSignal): Promise<Page<string>>;
  /** TXT records with exactly this name, given in full. */
  records(
    domain: string,
    name: string,
    page: number,
    signal: AbortSignal,
  ): Promise<Page<TxtRecord>>;
  /** The id of the new record. */
  create(record: NewRecord, signal: AbortSignal): Promise<number>;
  remove(domain: string, id: number, signal: AbortSignal): Promise<void>;
}

/** The most that DigitalOcean gives at once; without the number it gives 20. */
const perPage = 200;

/** A client for the API at `apiUrl`, on behalf of whoever `token` belongs to. */
export function connect(token: string, apiUrl: string): Api {
  const base = `${apiUrl.replace(/\/+$/, "")}/v2/domains`;
  const authorization = `Bearer ${token}`;
  const send = (method: string, path: string, signal: AbortSignal, body?: object) => {
    const settings = { vendor: digitalOcean, signal, retries: 0 };
    const url = base + path;
    if (body === undefined)
      return requestJson({ url, method, headers: { authorization } }, settings);
    const headers = { authorization, "content-type": "application/json" };
    return requestJson({ url, method, headers, body: JSON.stringify(body) }, settings);
  };
  return {
    async domains(page, signal) {
      const answer = await send("GET", `?${query({ page: String(page) })}`, signal);
      return pageOf(answer, "domains", (item) => needText(item, "name").toLowerCase());
    },
    async records(domain, name, page, signal) {
      const filter = query({ type: "TXT", name, page: String(page) });
      const answer = await send("GET", `${recordsOf(domain)}?${filter}`, signal);
      return pageOf(answer, "domain_records", (item) => ({
        id: numberIn(item, "id"),
        data: needText(item, "data"),
      }));
    },
    async create({ domain, name, value, ttl }, signal) {
      const record = { type: "TXT", name, data: value, ttl };
      const answer = await send("POST", recordsOf(domain), signal, record);
      return numberIn(fieldOf(answer, "domain_record"), "id");
    },
    async remove(domain, id, signal) {
      await send("DELETE", `${recordsOf(domain)}/${id}`, signal);
    },
  };
}

function recordsOf(domain: string): string {
  return `/${encodeURIComponent(domain)}/records`;
}

function query(given: Readonly<Record<string, string>>): string {
  return new URLSearchParams({ ...given, per_page: String(perPage) }).toString();
}

/** The next page is asked for by its number: the address in the answer may lead anywhere. */
function pageOf<T>(answer: unknown, list: string, read: (item: unknown) => T): Page<T> {
  const items = fieldOf(answer, list);
  if (!Array.isArray(items)) throw new Refusal({ words: `an answer without ${list}` });
  const next = fieldOf(fieldOf(fieldOf(answer, "links"), "pages"), "next");
  return { items: items.map(read), more: typeof next === "string" && items.length > 0 };
}

function numberIn(value: unknown, name: string): number {
  const number = fieldOf(value, name);
  if (typeof number !== "number") throw new Refusal({ words: `an answer without ${name}` });
  return number;
}
