/** DigitalOcean's API v2, as much of it as a solver needs. */
import { answerOf, Refusal } from "./answer.ts";

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
const patience = 30_000;

/** A client for the API at `apiUrl`, on behalf of whoever `token` belongs to. */
export function connect(token: string, apiUrl: string): Api {
  const base = `${apiUrl.replace(/\/+$/, "")}/v2/domains`;
  const send = async (method: string, path: string, signal: AbortSignal, body?: object) => {
    // A redirect would carry the token to an address that nobody configured.
    const response = await fetch(base + path, {
      method,
      redirect: "manual",
      headers: {
        authorization: `Bearer ${token}`,
        "user-agent": "acmectl",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(patience)]),
    });
    return answerOf(response);
  };
  return {
    async domains(page, signal) {
      const answer = await send("GET", `?${query({ page: String(page) })}`, signal);
      return pageOf(answer, "domains", (item) => textIn(item, "name").toLowerCase());
    },
    async records(domain, name, page, signal) {
      const filter = query({ type: "TXT", name, page: String(page) });
      const answer = await send("GET", `${recordsOf(domain)}?${filter}`, signal);
      return pageOf(answer, "domain_records", (item) => ({
        id: numberIn(item, "id"),
        data: textIn(item, "data"),
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

function textIn(value: unknown, name: string): string {
  const text = fieldOf(value, name);
  if (typeof text !== "string") throw new Refusal({ words: `an answer without ${name}` });
  return text;
}

function numberIn(value: unknown, name: string): number {
  const number = fieldOf(value, name);
  if (typeof number !== "number") throw new Refusal({ words: `an answer without ${name}` });
  return number;
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
}
