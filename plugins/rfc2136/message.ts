/** DNS messages for UPDATE and its queries (RFC 1035 §4, RFC 2136 §2). */

import type { RecordType } from "acmectl/plugin";

export const type = { NS: 2, CNAME: 5, SOA: 6, TXT: 16, OPT: 41, TLSA: 52, TSIG: 250 } as const;
const inClass = { IN: 1, NONE: 254 } as const;

export interface ResourceRecord {
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: Buffer;
  /** The name in the data of CNAME and NS records. */
  readonly target: string;
  /** Where the record begins in its message. */
  readonly offset: number;
}

export interface Message {
  readonly id: number;
  readonly rcode: number;
  readonly isResponse: boolean;
  readonly authoritative: boolean;
  readonly question: string;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  readonly additionals: readonly ResourceRecord[];
}

/** A query for one name and type, without recursion. */
export function encodeQuery(id: number, name: string, wanted: number): Buffer {
  const opt = Buffer.from([0, 0, type.OPT, 1232 >> 8, 1232 & 0xff, 0, 0, 0, 0, 0, 0]);
  const question = [encodeName(name), shorts(wanted, inClass.IN)];
  return Buffer.concat([shorts(id, 0, 1, 0, 0, 1), ...question, opt]);
}

export interface Change {
  readonly kind: "add" | "delete";
  readonly type: RecordType;
  readonly name: string;
  readonly value: string;
  /** Seconds; ignored for a deletion. */
  readonly ttl: number;
}

/** An UPDATE of exactly these values, which keeps all others (RFC 2136 §2.5.1, §2.5.4). */
export function encodeUpdate(id: number, zone: string, changes: readonly Change[]): Buffer {
  return Buffer.concat([
    shorts(id, 5 << 11, 1, 0, changes.length, 0),
    encodeName(zone),
    shorts(type.SOA, inClass.IN),
    ...changes.map(encodeChange),
  ]);
}

function encodeChange({ kind, type: wanted, name, value, ttl }: Change): Buffer {
  const data = wanted === "TLSA" ? encodeTlsa(value) : encodeTxt(value);
  const seconds = Buffer.alloc(4);
  if (kind === "add") seconds.writeUInt32BE(ttl);
  const head = [encodeName(name), shorts(type[wanted], kind === "add" ? inClass.IN : inClass.NONE)];
  return Buffer.concat([...head, seconds, shorts(data.length), data]);
}

function encodeTxt(value: string): Buffer {
  const text = Buffer.from(value, "latin1");
  return Buffer.concat([Buffer.from([text.length]), text]);
}

/** RFC 6698 §2.1: usage, selector and matching type, one byte each, then the data. */
function encodeTlsa(value: string): Buffer {
  const [usage = "", selector = "", matching = "", data = ""] = value.split(" ");
  return Buffer.concat([
    Buffer.from([usage, selector, matching].map(Number)),
    Buffer.from(data, "hex"),
  ]);
}

/** Uncompressed and in lower case, as TSIG requires (RFC 8945 §4.3.3). */
export function encodeName(name: string): Buffer {
  const labels = name.toLowerCase().split(".");
  const parts = labels.filter((label) => label !== "").map((label) => Buffer.from(label, "latin1"));
  return Buffer.concat([
    ...parts.flatMap((label) => [Buffer.from([label.length]), label]),
    Buffer.from([0]),
  ]);
}

/** Unsigned 16-bit numbers. */
export function shorts(...numbers: readonly number[]): Buffer {
  const buffer = Buffer.alloc(numbers.length * 2);
  for (const [index, number] of numbers.entries()) buffer.writeUInt16BE(number, index * 2);
  return buffer;
}

/** Reads a message. Throws RangeError if the bytes are not a message. */
export function decode(bytes: Buffer): Message {
  const flags = bytes.readUInt16BE(2);
  const [questions, ...counts] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  let offset = 12;
  let question = "";
  for (let left = questions ?? 0; left > 0; left--) {
    const { name, end } = decodeName(bytes, offset);
    question = name;
    offset = end + 4;
  }
  const sections = counts.map((count) => {
    const records: ResourceRecord[] = [];
    for (let left = count; left > 0; left--) {
      const { record, end } = decodeRecord(bytes, offset);
      records.push(record);
      offset = end;
    }
    return records;
  });
  const [answers = [], authorities = [], additionals = []] = sections;
  return {
    id: bytes.readUInt16BE(0),
    rcode: flags & 0x0f,
    isResponse: (flags & 0x8000) !== 0,
    authoritative: (flags & 0x0400) !== 0,
    question,
    answers,
    authorities,
    additionals,
  };
}

function decodeRecord(bytes: Buffer, offset: number): { record: ResourceRecord; end: number } {
  const { name, end: at } = decodeName(bytes, offset);
  const kind = bytes.readUInt16BE(at);
  const length = bytes.readUInt16BE(at + 8);
  const end = at + 10 + length;
  if (end > bytes.length) throw new RangeError("record beyond the end of the message");
  const record = {
    name,
    type: kind,
    class: bytes.readUInt16BE(at + 2),
    ttl: bytes.readUInt32BE(at + 4),
    data: bytes.subarray(at + 10, end),
    target: kind === type.CNAME || kind === type.NS ? decodeName(bytes, at + 10).name : "",
    offset,
  };
  return { record, end };
}

/** The name at an offset and its end. Pointers must lead backwards, so that no message loops. */
export function decodeName(bytes: Buffer, offset: number): { name: string; end: number } {
  const labels: string[] = [];
  let end: number | undefined;
  let length = 0;
  for (let at = offset, limit = offset; ;) {
    const size = bytes.readUInt8(at);
    if (size >= 0xc0) {
      end ??= at + 2;
      at = bytes.readUInt16BE(at) & 0x3fff;
      if (at >= limit) throw new RangeError("name that points forward");
      limit = at;
      continue;
    }
    if (size > 63) throw new RangeError("label of an unknown kind");
    if (size === 0) return { name: labels.join(".").toLowerCase(), end: end ?? at + 1 };
    length += size + 1;
    if (length > 254 || at + 1 + size > bytes.length) throw new RangeError("name too long");
    labels.push(bytes.toString("latin1", at + 1, at + 1 + size));
    at += size + 1;
  }
}

/** The strings of a TXT record, joined; the fields of a TLSA record. */
export function valueOf({ type: found, data }: ResourceRecord): string {
  if (found === type.TLSA)
    return [...data.subarray(0, 3), data.subarray(3).toString("hex")].join(" ");
  let text = "";
  for (let at = 0; at < data.length; at += 1 + (data[at] ?? 0))
    text += data.toString("latin1", at + 1, at + 1 + (data[at] ?? 0));
  return text;
}

const rcodes = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN"];

/** Name of a response code, such as `NOTAUTH`. */
export function nameOfRcode(rcode: number): string {
  return [...rcodes, "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"][rcode] ?? `RCODE${rcode}`;
}
