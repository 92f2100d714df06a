/** A small DNS server whose zones, delays, refusals and lies a test writes down. */
import { createSocket } from "node:dgram";
import type { RemoteInfo, Socket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Socket as TcpSocket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { decode, encode } from "dns-packet";
import type { Answer, Packet, Question } from "dns-packet";

export type Transport = "udp" | "tcp" | "https";

export interface TestRecord {
  readonly name: string;
  readonly type: "A" | "AAAA" | "CNAME" | "NS" | "TXT";
  readonly data: string | readonly string[];
  readonly ttl?: number;
}

/** A zone and all of its records; a test may change the list at any time. */
export interface TestZone {
  readonly name: string;
  readonly records: TestRecord[];
}

export interface Asked {
  readonly name: string;
  readonly type: string;
  readonly via: Transport;
  readonly recurse: boolean;
  /** `UPDATE` is answered with NOTIMP unless mischief does otherwise. */
  readonly opcode: "QUERY" | "UPDATE" | "OTHER";
}

/** What to do instead of answering; undefined answers as the zones say. */
export type Mischief =
  | { kind: "silence" }
  | { kind: "rcode"; rcode: number }
  | { kind: "raw"; bytes: (query: Buffer) => Buffer }
  | { kind: "delay"; milliseconds: number }
  | { kind: "packet"; change: (packet: Packet) => Packet };

export interface DnsServerSettings {
  readonly zones: readonly TestZone[];
  readonly address?: string;
  /** 0 when absent. */
  readonly port?: number;
  /** Answers as a resolver does: without AA, CNAMEs followed through all of its zones. */
  readonly recursive?: boolean;
  readonly mischief?: (asked: Asked) => Mischief | undefined;
}

export interface DnsServer {
  readonly address: string;
  readonly port: number;
  /** `ADDRESS:PORT` */
  readonly server: string;
  readonly asked: Asked[];
  /** The answer to a query that came another way, such as HTTPS. */
  readonly answer: (query: Buffer, via: Transport) => Promise<Buffer | undefined>;
  readonly close: () => Promise<void>;
}

/** The zone's SOA and NS records come by themselves; `nameservers` are host names. */
export function testZone(
  name: string,
  nameservers: readonly string[],
  records: readonly TestRecord[] = [],
): TestZone {
  const ns = nameservers.map((data): TestRecord => ({ name, type: "NS", data }));
  return { name, records: [...ns, ...records] };
}

export async function startDnsServer(settings: DnsServerSettings): Promise<DnsServer> {
  const address = settings.address ?? "127.0.0.1";
  const asked: Asked[] = [];
  const answer = async (query: Buffer, via: Transport) => {
    const packet = decode(query);
    const question = packet.questions?.[0];
    if (question === undefined) return undefined;
    const { name, type } = question;
    const opcode = opcodes[((query[2] ?? 0) >> 3) & 0x0f] ?? "OTHER";
    const entry: Asked = {
      name: name.toLowerCase(),
      type,
      via,
      recurse: opcode === "QUERY" && packet.flag_rd,
      opcode,
    };
    asked.push(entry);
    return respond(query, packet, question, settings, mischiefFor(entry, settings));
  };
  const { udp, tcp, port } = await bound(address, settings.port ?? 0);
  udp.on("message", (query: Buffer, from: RemoteInfo) => {
    void sendByUdp(udp, from, answer(query, "udp"));
  });
  const connections = new Set<TcpSocket>();
  tcp.on("connection", (socket) => {
    connections.add(socket);
    socket.on("error", () => undefined);
    let received = Buffer.alloc(0);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const end = 2 + received.readUInt16BE(0);
        const query = received.subarray(2, end);
        received = received.subarray(end);
        void sendByTcp(socket, answer(query, "tcp"));
      }
    });
  });
  return {
    address,
    port,
    server: `${address}:${port}`,
    asked,
    answer,
    async close() {
      udp.close();
      for (const socket of connections) socket.destroy();
      tcp.close();
      await once(tcp, "close");
    },
  };
}

const opcodes: Readonly<Record<number, Asked["opcode"]>> = { 0: "QUERY", 5: "UPDATE" };

function mischiefFor(asked: Asked, settings: DnsServerSettings): Mischief | undefined {
  const mischief = settings.mischief?.(asked);
  return asked.opcode === "QUERY" ? mischief : (mischief ?? { kind: "rcode", rcode: 4 });
}

type Answering = Promise<Buffer | undefined>;

async function sendByUdp(udp: Socket, to: RemoteInfo, answering: Answering): Promise<void> {
  const message = await answering;
  if (message === undefined) return;
  udp.send(message.length > 1232 ? truncated(message) : message, to.port, to.address, () => {});
}

async function sendByTcp(socket: TcpSocket, answering: Answering): Promise<void> {
  const message = await answering;
  if (message === undefined) return;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  socket.write(Buffer.concat([length, message]));
}

/** Several servers on one port, for zones whose servers all listen on the same one. */
export async function startDnsServers<K extends string>(
  all: Readonly<Record<K, DnsServerSettings & { address: string }>>,
): Promise<Record<K, DnsServer>> {
  const entries = Object.entries(all) as [K, DnsServerSettings][];
  for (let left = 20; ; left--) {
    const started: [K, DnsServer][] = [];
    try {
      for (const [name, settings] of entries) {
        const port = started[0]?.[1].port ?? 0;
        started.push([name, await startDnsServer({ ...settings, port })]);
      }
      return Object.fromEntries(started) as Record<K, DnsServer>;
    } catch (error) {
      for (const [, server] of started) await server.close();
      if (left === 0) throw error;
    }
  }
}

async function bound(address: string, wanted: number) {
  for (let left = 20; ; left--) {
    const tcp = createServer().listen(wanted, address);
    await once(tcp, "listening");
    const at = tcp.address();
    const port = at !== null && typeof at === "object" ? at.port : 0;
    const udp: Socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    try {
      udp.bind(port, address);
      await once(udp, "listening");
      return { udp, tcp, port };
    } catch (error) {
      tcp.close();
      if (wanted !== 0 || left === 0) throw error;
    }
  }
}

async function respond(
  query: Buffer,
  packet: Packet & { flag_rd: boolean },
  question: Question,
  settings: DnsServerSettings,
  mischief: Mischief | undefined,
): Promise<Buffer | undefined> {
  if (mischief?.kind === "silence") return undefined;
  if (mischief?.kind === "raw") return mischief.bytes(query);
  if (mischief?.kind === "delay") await sleep(mischief.milliseconds);
  const said =
    mischief?.kind === "rcode"
      ? { rcode: mischief.rcode, authoritative: false, answers: [], authorities: [] }
      : lookUp(question, settings);
  const response: Packet = {
    type: "response",
    id: packet.id ?? 0,
    flags: (said.authoritative ? 0x400 : 0) | (packet.flag_rd ? 0x100 : 0) | said.rcode,
    questions: [question],
    answers: said.answers,
    authorities: said.authorities,
    additionals: [],
  };
  return encode(mischief?.kind === "packet" ? mischief.change(response) : response);
}

interface Said {
  rcode: number;
  authoritative: boolean;
  answers: Answer[];
  authorities: Answer[];
}

function lookUp(question: Question, settings: DnsServerSettings): Said {
  const recursive = settings.recursive ?? false;
  const answers: Answer[] = [];
  let name = question.name.toLowerCase();
  for (let hop = 0; hop < 40; hop++) {
    const zone = deepest(settings.zones, name);
    if (zone === undefined) {
      return hop === 0 && !recursive
        ? { rcode: 5, authoritative: false, answers, authorities: [] }
        : { rcode: recursive ? 3 : 0, authoritative: !recursive, answers, authorities: [] };
    }
    const child = recursive ? undefined : delegationOf(zone, name);
    if (child !== undefined) {
      const authorities = zone.records.filter((r) => r.type === "NS" && r.name === child);
      return { rcode: 0, authoritative: hop > 0, answers, authorities: authorities.map(answerOf) };
    }
    if (question.type === "SOA" && name === zone.name) {
      answers.push(soaOf(zone));
      return { rcode: 0, authoritative: !recursive, answers, authorities: [] };
    }
    const here = recordsAt(zone, name);
    const cname = here.find((record) => record.type === "CNAME");
    if (cname !== undefined && question.type !== "CNAME") {
      // Authoritative servers stop quietly where a chain closes; resolvers fail.
      const closed = answers.some((answer) => answer.name === name);
      if (closed && !recursive) return { rcode: 0, authoritative: true, answers, authorities: [] };
      answers.push(answerOf(cname));
      name = String(cname.data);
      continue;
    }
    const found = here.filter((record) => record.type === question.type);
    answers.push(...found.map(answerOf));
    const exists =
      here.length > 0 ||
      name === zone.name ||
      zone.records.some((r) => r.name === name || r.name.endsWith(`.${name}`));
    const authorities = found.length === 0 ? [soaOf(zone)] : [];
    return { rcode: exists ? 0 : 3, authoritative: !recursive, answers, authorities };
  }
  return { rcode: 2, authoritative: false, answers, authorities: [] };
}

/** The records of the name, or those of the nearest wildcard if the name does not exist (RFC 4592). */
function recordsAt(zone: TestZone, name: string): TestRecord[] {
  const exists = (at: string) =>
    zone.records.some((record) => record.name === at || record.name.endsWith(`.${at}`));
  let closest = name;
  while (closest !== zone.name && !exists(closest))
    closest = closest.slice(closest.indexOf(".") + 1);
  const owner = closest === name ? name : `*.${closest}`;
  const found = zone.records.filter((record) => record.name === owner);
  return found.map((record) => ({ ...record, name }));
}

function deepest(zones: readonly TestZone[], name: string): TestZone | undefined {
  return zones
    .filter((zone) => name === zone.name || name.endsWith(`.${zone.name}`))
    .toSorted((a, b) => b.name.length - a.name.length)[0];
}

function delegationOf(zone: TestZone, name: string): string | undefined {
  return zone.records.find(
    (record) =>
      record.type === "NS" &&
      record.name !== zone.name &&
      (name === record.name || name.endsWith(`.${record.name}`)),
  )?.name;
}

function soaOf({ name }: TestZone): Answer {
  const data = { mname: `ns.${name}`, rname: `hostmaster.${name}`, serial: 1, minimum: 1 };
  return { name, type: "SOA", ttl: 1, class: "IN", data };
}

function answerOf(record: TestRecord): Answer {
  const { name, type, data, ttl = 60 } = record;
  if (type === "TXT") {
    const chunks = typeof data === "string" ? [data] : [...data];
    return { name, type, ttl, class: "IN", data: chunks };
  }
  return { name, type, ttl, class: "IN", data: String(data) };
}

/** The header and the question, with TC set. */
function truncated(message: Buffer): Buffer {
  const { id, questions, flags = 0 } = decode(message);
  return encode({
    type: "response",
    id: id ?? 0,
    flags: flags | 0x200,
    questions: questions ?? [],
  });
}
