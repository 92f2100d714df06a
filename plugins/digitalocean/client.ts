/** DigitalOcean's API v2, as much of it as the solver needs. */
import { everyPage, fieldOf, needText, Refusal, requestJson } from "acmectl/plugin/http";
import type { ListedZone } from "acmectl/plugin/http";
import { digitalOcean } from "./errors.ts";

/** The maximum; the default is 20. */
const perPage = "200";

/** A client for the API at `apiUrl`. Every call is made once and rejects with a `Refusal`. A domain's id is its name. */
export function connect(token: string, apiUrl: string) {
  const base = `${apiUrl.replace(/\/+$/, "")}/v2/domains`;
  const headers = { authorization: `Bearer ${token}` };
  const send = (path: string, signal: AbortSignal, method = "GET", json?: object) =>
    requestJson(
      { url: base + path, method, headers, json },
      { vendor: digitalOcean, signal, retries: 0 },
    );
  /** The next page is asked for by its number: the address in the answer may lead anywhere. */
  const list = (path: string, member: string, filter: object, signal: AbortSignal) =>
    everyPage(async (page: number = 1) => {
      const query = new URLSearchParams({ ...filter, page: String(page), per_page: perPage });
      const answer = await send(`${path}?${query.toString()}`, signal);
      const items: unknown = fieldOf(answer, member);
      if (!Array.isArray(items)) throw new Refusal({ words: `an answer without ${member}` });
      const next = fieldOf(fieldOf(fieldOf(answer, "links"), "pages"), "next");
      const more = typeof next === "string" && items.length > 0;
      return { items, next: more ? page + 1 : undefined };
    });
  return {
    async domains(signal: AbortSignal): Promise<readonly ListedZone[]> {
      const domains = await list("", "domains", {}, signal);
      const names = domains.map((item) => needText(item, "name").toLowerCase());
      return names.map((name) => ({ id: name, name }));
    },
    /** TXT records with exactly this name, given in full. */
    async records(domain: string, name: string, signal: AbortSignal) {
      const filter = { type: "TXT", name };
      const records = await list(recordsOf(domain), "domain_records", filter, signal);
      return records.map((item) => ({ id: idIn(item), data: needText(item, "data") }));
    },
    /** The id of the new record. Its name is relative to the domain, `@` for the domain itself; the TTL is in seconds. */
    async create(domain: string, name: string, data: string, ttl: number, signal: AbortSignal) {
      const record = { type: "TXT", name, data, ttl };
      const answer = await send(recordsOf(domain), signal, "POST", record);
      return idIn(fieldOf(answer, "domain_record"));
    },
    async remove(domain: string, id: string, signal: AbortSignal) {
      await send(`${recordsOf(domain)}/${encodeURIComponent(id)}`, signal, "DELETE");
    },
  };
}

function recordsOf(domain: string): string {
  return `/${encodeURIComponent(domain)}/records`;
}

function idIn(record: unknown): string {
  const id = fieldOf(record, "id");
  if (typeof id !== "number") throw new Refusal({ words: "an answer without id" });
  return String(id);
}
