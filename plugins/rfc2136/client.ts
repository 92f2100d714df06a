/** The zone's primary server: what it has at a name, which zone holds the name, and updates. */
import { randomBytes, randomInt } from "node:crypto";
import { isIP, isIPv6 } from "node:net";
import { isDeepStrictEqual } from "node:util";
import type { Log, RecordType } from "acmectl/plugin";
import { NoAnswer, openConnection } from "./connection.ts";
import type { Connection, Endpoint } from "./connection.ts";
import * as errors from "./errors.ts";
import type { UpdateAnswer } from "./errors.ts";
import { decode, encodeQuery, encodeUpdate, nameOfRcode, type, valueOf } from "./message.ts";
import type { Change, Message } from "./message.ts";
import { sign, verify } from "./tsig.ts";
import type { TsigKey } from "./tsig.ts";

export interface PrimarySettings extends Endpoint {
  readonly key: TsigKey | undefined;
  readonly signQuery: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What the server answers about a name. */
export type LookupResult =
  | {
      readonly kind: "here";
      /** The zone, if the answer has its SOA record. */
      readonly zone: string | undefined;
      readonly values: readonly string[];
      /** Of the existing records of the type. */
      readonly ttl: number | undefined;
    }
  | { readonly kind: "cname"; readonly target: string; readonly zone?: undefined }
  | { readonly kind: "delegated"; readonly child: string; readonly servers: readonly string[] }
  /** It does not serve the name, or not to this client. */
  | { readonly kind: "elsewhere"; readonly rcode: string };

export type Primary = ReturnType<typeof openPrimary>;

/** `HOST:PORT`, IPv6 in brackets. */
export function nameOfServer({ host, port }: Endpoint): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Sends nothing before the first query. */
export function openPrimary(settings: PrimarySettings, signal: AbortSignal) {
  const connection = openConnection(settings, signal);
  const exchange = exchangeBy(connection, settings);
  const { key, signQuery } = settings;
  const now = () => Math.floor(settings.now() / 1000);
  const query = async (name: string, wanted: number): Promise<Message> => {
    const plain = () => encodeQuery(newId(), name, wanted);
    if (key === undefined || !signQuery) {
      const message = decode(await exchange(plain()));
      // A view that is selected by key refuses unsigned queries.
      const isRefused = !message.authoritative && nameOfRcode(message.rcode) === "REFUSED";
      if (key === undefined || !isRefused) return message;
    }
    return decode(await exchange(sign(plain(), key, now()).bytes));
  };
  return {
    name: nameOfServer(settings),
    look: async (name: string, wanted: RecordType) =>
      resultOf(await query(name, type[wanted]), name, wanted),
    /** The zone that holds the name; undefined if the server has none. */
    async findZone(name: string) {
      for (let at = name; at !== ""; at = at.replace(/^[^.]*\.?/, "")) {
        const zone = zoneIn(await query(at, type.SOA), at);
        if (zone !== undefined) return zone;
      }
      return undefined;
    },
    async update(zone: string, changes: readonly Change[]): Promise<UpdateAnswer> {
      const message = encodeUpdate(newId(), zone, changes);
      const signed =
        key === undefined ? { bytes: message, mac: undefined } : sign(message, key, now());
      const answer = await exchange(signed.bytes);
      const time = now();
      try {
        const verdict = key && signed.mac && verify(answer, key, signed.mac, time);
        return { rcode: decode(answer).rcode, verdict, now: time };
      } catch (error) {
        // The signature's record is cut.
        if (error instanceof RangeError) throw errors.garbled(nameOfServer(settings), error);
        throw error;
      }
    },
    close: () => connection.close(),
  };
}

const newId = () => randomInt(0x1_0000);

function exchangeBy(connection: Connection, settings: PrimarySettings) {
  const server = nameOfServer(settings);
  return async (message: Buffer): Promise<Buffer> => {
    const { question } = decode(message);
    try {
      return await connection.exchange(message, (bytes) => {
        const answer = decode(bytes);
        // A response to an UPDATE may omit the question (RFC 2136 §3.8).
        return answer.isResponse && (answer.question === question || answer.question === "");
      });
    } catch (error) {
      if (error instanceof NoAnswer) throw errors.unreachable(server, settings, error);
      if (error instanceof RangeError) throw errors.garbled(server, error);
      throw error;
    }
  };
}

function resultOf(message: Message, name: string, wanted: RecordType): LookupResult {
  const rcode = nameOfRcode(message.rcode);
  const { answers, authorities, authoritative } = message;
  if (!authoritative) {
    const cut = authorities.filter((record) => record.type === type.NS);
    const child = cut[0]?.name;
    return child !== undefined && child !== "" && isWithin(name, child)
      ? { kind: "delegated", child, servers: cut.map(({ target }) => target) }
      : { kind: "elsewhere", rcode };
  }
  const cname = answers.find((record) => record.type === type.CNAME && record.name === name);
  if (cname !== undefined) return { kind: "cname", target: cname.target };
  const own = answers.filter((record) => record.type === type[wanted] && record.name === name);
  return {
    kind: "here",
    zone: own.length === 0 ? zoneIn(message, name) : undefined,
    values: own.map(valueOf).toSorted(),
    ttl: own[0]?.ttl,
  };
}

/** The owner of the SOA record in the answer of an apex, or in a negative answer. */
function zoneIn(
  { authoritative, answers, authorities }: Message,
  name: string,
): string | undefined {
  if (!authoritative) return undefined;
  const own = answers.find((record) => record.type === type.SOA && record.name === name);
  // The answer for a CNAME may have the SOA of the zone of its target.
  const denied = answers.length === 0 ? authorities : [];
  const zone = own?.name ?? denied.find((record) => record.type === type.SOA)?.name;
  return zone !== undefined && isWithin(name, zone) ? zone : undefined;
}

/** True if `name` is `zone` or lies below it. */
function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

export interface Place {
  readonly name: string;
  readonly type: RecordType;
  readonly zone: string;
  /** Of the existing records of the type, which all have the same one; it is kept. */
  readonly ttl: number | undefined;
  /** False if the server refuses queries, so that the record cannot be read back. */
  readonly readable: boolean;
}

/** Finds the zone and looks at the name. Rejects with a Problem if a record there would be invisible. */
export async function placeOf(
  primary: Primary,
  { name, type }: Pick<Place, "name" | "type">,
  { zone: fixed, log }: { readonly zone: string | undefined; readonly log: Log },
): Promise<Place> {
  if (fixed !== undefined && !isWithin(name, fixed)) throw errors.outsideZone(name, fixed);
  const found = await primary.look(name, type);
  if (found.kind === "delegated") throw errors.delegatedZone(primary.name, name, found);
  if (found.kind === "elsewhere") {
    if (fixed === undefined || found.rcode !== "REFUSED")
      throw errors.notServed(primary.name, name, found.rcode);
    log.warn(`${primary.name} refuses queries for ${name}, so the record cannot be read back`);
    return { name, type, zone: fixed, ttl: undefined, readable: false };
  }
  const ttl = await ttlAt(primary, { name, type }, found);
  const zone = fixed ?? found.zone ?? (await primary.findZone(name));
  if (zone === undefined) throw errors.notServed(primary.name, name, "no SOA record");
  return { name, type, zone, ttl, readable: true };
}

/**
 * The TTL of the records of a type at a name. Records of a wildcard, which a random sibling has too, do not count: one at the name
 * itself takes precedence (RFC 4592 §2.2). Rejects with a Problem if the name itself is a CNAME.
 */
async function ttlAt(
  primary: Primary,
  { name, type }: Pick<Place, "name" | "type">,
  found: LookupResult & { kind: "here" | "cname" },
): Promise<number | undefined> {
  if (found.kind === "here" && found.ttl === undefined) return undefined;
  const sibling = name.replace(/^[^.]*/, `acmectl-${randomBytes(8).toString("hex")}`);
  if (isDeepStrictEqual(await primary.look(sibling, type), found)) return undefined;
  if (found.kind === "cname") throw errors.besideCname(primary.name, name, found.target);
  return found.ttl;
}

/** Reads `ns1.example.com`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`. */
export function endpointOf(
  server: string,
  port: number | undefined,
): { host: string; port: number } {
  const { host, own } = parsed(server.trim());
  if (host === undefined) throw errors.invalidServer(server);
  if (own !== undefined && port !== undefined && own !== port) throw errors.twoPorts(own, port);
  return { host, port: own ?? port ?? 53 };
}

function parsed(text: string): { host?: string; own?: number } {
  if (isIP(text) !== 0) return { host: text };
  const [, v6, name, digits] = /^(?:\[(.+)\]|([^:[\]/\s]+))(?::(\d{1,5}))?$/.exec(text) ?? [];
  const host = v6 ?? name?.replace(/\.$/, "");
  if (host === undefined || host === "" || (v6 !== undefined && isIP(v6) !== 6)) return {};
  if (digits === undefined) return { host };
  const own = Number(digits);
  return own > 0 && own <= 65_535 ? { host, own } : {};
}
