/** Talking to the zone's primary server: what stands at a name, which zone holds it, and updates. */
import { randomInt } from "node:crypto";
import { isIPv6 } from "node:net";
import { Problem } from "acmectl/plugin";
import { NoAnswer, openConnection } from "./connection.ts";
import type { Connection, Endpoint } from "./connection.ts";
import { decode, encodeQuery, encodeUpdate, nameOfRcode, txtOf, type } from "./message.ts";
import type { Message, TxtChange } from "./message.ts";
import { sign, verify } from "./tsig.ts";
import type { TsigKey } from "./tsig.ts";
import type { UpdateAnswer } from "./problems.ts";

export interface PrimarySettings extends Endpoint {
  readonly key: TsigKey | undefined;
  readonly signQuery: boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** What the server has at a name. */
export type Sight =
  | {
      readonly kind: "here";
      /** The zone that says so, if the answer tells. */
      readonly zone: string | undefined;
      readonly values: readonly string[];
      /** Of the TXT records that are there. */
      readonly ttl: number | undefined;
    }
  | { readonly kind: "cname"; readonly target: string }
  | { readonly kind: "delegated"; readonly child: string; readonly servers: readonly string[] }
  /** It does not serve the name, or not to us. */
  | { readonly kind: "elsewhere"; readonly rcode: string };

export interface Primary {
  /** `HOST:PORT` */
  readonly name: string;
  look(name: string): Promise<Sight>;
  /** The zone that holds the name; undefined when the server serves none. */
  findZone(name: string): Promise<string | undefined>;
  update(zone: string, changes: readonly TxtChange[]): Promise<UpdateAnswer>;
  close(): void;
}

/** `HOST:PORT`, IPv6 in brackets. */
export function nameOfServer({ host, port }: Endpoint): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Nothing is sent before the first question. */
export function openPrimary(settings: PrimarySettings, signal: AbortSignal): Primary {
  const connection = openConnection(settings, signal);
  const ask = (name: string, wanted: number) => query(connection, settings, name, wanted);
  const send = (message: Buffer) => update(connection, settings, message);
  return {
    name: nameOfServer(settings),
    look: async (name) => sightOf(await ask(name, type.TXT), name),
    async findZone(name) {
      for (let at = name; at !== ""; at = at.replace(/^[^.]*\.?/, "")) {
        const zone = zoneIn(await ask(at, type.SOA), at);
        if (zone !== undefined) return zone;
      }
      return undefined;
    },
    update: (zone, changes) => send(encodeUpdate(newId(), zone, changes)),
    close: () => connection.close(),
  };
}

function sightOf(message: Message, name: string): Sight {
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
  const txt = answers.filter((record) => record.type === type.TXT && record.name === name);
  return {
    kind: "here",
    zone: txt.length === 0 ? zoneIn(message, name) : undefined,
    values: txt.map(txtOf),
    ttl: txt[0]?.ttl,
  };
}

/** The owner of the SOA: an apex answers with its own, a zone says with its own that it lacks something. */
function zoneIn(
  { authoritative, answers, authorities }: Message,
  name: string,
): string | undefined {
  if (!authoritative) return undefined;
  const own = answers.find((record) => record.type === type.SOA && record.name === name);
  // A CNAME's answer may carry the SOA of its target's zone.
  const denied = answers.length === 0 ? authorities : [];
  const zone = own?.name ?? denied.find((record) => record.type === type.SOA)?.name;
  return zone !== undefined && isWithin(name, zone) ? zone : undefined;
}

/** True when `name` is `zone` or lies below it. */
export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

async function query(
  connection: Connection,
  settings: PrimarySettings,
  name: string,
  wanted: number,
): Promise<Message> {
  const { key, signQuery } = settings;
  const plain = () => encodeQuery(newId(), name, wanted);
  if (key === undefined) return exchange(connection, settings, plain());
  if (!signQuery) {
    const message = await exchange(connection, settings, plain());
    // A view that is chosen by the key refuses those who show none.
    if (message.authoritative || nameOfRcode(message.rcode) !== "REFUSED") return message;
  }
  const { bytes } = sign(plain(), key, seconds(settings));
  return exchange(connection, settings, bytes);
}

async function update(
  connection: Connection,
  settings: PrimarySettings,
  message: Buffer,
): Promise<UpdateAnswer> {
  const { key } = settings;
  if (key === undefined) {
    const { rcode } = await exchange(connection, settings, message);
    return { rcode, verdict: undefined, now: seconds(settings) };
  }
  const signed = sign(message, key, seconds(settings));
  const answer = await answerTo(connection, settings, signed.bytes);
  const now = seconds(settings);
  return { rcode: decode(answer).rcode, verdict: verify(answer, key, signed.mac, now), now };
}

async function exchange(
  connection: Connection,
  settings: PrimarySettings,
  message: Buffer,
): Promise<Message> {
  return decode(await answerTo(connection, settings, message));
}

async function answerTo(
  connection: Connection,
  settings: PrimarySettings,
  message: Buffer,
): Promise<Buffer> {
  const { question } = decode(message);
  try {
    return await connection.exchange(message, (bytes) => {
      const answer = decode(bytes);
      // An answer to an UPDATE may leave out what it answers (RFC 2136 §3.8).
      return answer.isResponse && (answer.question === question || answer.question === "");
    });
  } catch (error) {
    if (error instanceof NoAnswer) throw unreachable(settings, error);
    if (error instanceof RangeError) throw garbled(settings, error);
    throw error;
  }
}

function unreachable(settings: PrimarySettings, error: NoAnswer): Problem {
  const { protocol, host, port } = settings;
  const way = protocol.toUpperCase();
  return new Problem("network", {
    detail: `The DNS server ${nameOfServer({ ...settings })} cannot be asked by ${way}: ${error.message}.`,
    hint: `Check the options server (${host}) and port (${port}), that the server runs, and that firewalls let ${way} through.`,
    cause: error,
  });
}

function garbled(settings: PrimarySettings, error: RangeError): Problem {
  return new Problem("network", {
    detail: `${nameOfServer(settings)} does not answer as a DNS server: ${error.message}.`,
    hint: "Check the options server and port.",
    cause: error,
  });
}

const newId = () => randomInt(0x1_0000);
const seconds = ({ now }: PrimarySettings) => Math.floor(now() / 1000);
