/** Transaction signatures (RFC 8945). */
import { createHmac, timingSafeEqual } from "node:crypto";
import { decode, decodeName, encodeName, shorts, type } from "./message.ts";
import type { Message } from "./message.ts";

export const algorithms = {
  "hmac-md5": { hash: "md5", wire: "hmac-md5.sig-alg.reg.int" },
  "hmac-sha1": { hash: "sha1", wire: "hmac-sha1" },
  "hmac-sha224": { hash: "sha224", wire: "hmac-sha224" },
  "hmac-sha256": { hash: "sha256", wire: "hmac-sha256" },
  "hmac-sha384": { hash: "sha384", wire: "hmac-sha384" },
  "hmac-sha512": { hash: "sha512", wire: "hmac-sha512" },
} as const;
export type Algorithm = keyof typeof algorithms;

export interface TsigKey {
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly algorithm: Algorithm;
  readonly secret: Buffer;
}

export interface Signed {
  readonly bytes: Buffer;
  /** MAC of the request, which the MAC of the response covers. */
  readonly mac: Buffer;
}

/** Result of checking the signature of a response. */
export type Verdict =
  | { readonly kind: "good" }
  | { readonly kind: "unsigned" }
  | { readonly kind: "forged" }
  /** The server did not accept the signature; with its clock for BADTIME, in seconds since 1970. */
  | { readonly kind: "error"; readonly error: TsigError; readonly serverTime?: number | undefined };
export type TsigError = "BADSIG" | "BADKEY" | "BADTIME" | "BADTRUNC" | `error ${number}`;

/** Seconds that clocks may differ, as in other implementations. */
const fudge = 300;

/** Appends a TSIG record. `time` in seconds since 1970. */
export function sign(message: Buffer, key: TsigKey, time: number): Signed {
  const variables = { time, fudge, error: 0, other: Buffer.alloc(0) };
  const mac = macOf(message, key, variables);
  const name = encodeName(key.name);
  const algorithm = encodeName(algorithms[key.algorithm].wire);
  const data = Buffer.concat([
    algorithm,
    time48(time),
    shorts(fudge, mac.length),
    mac,
    message.subarray(0, 2),
    shorts(0, 0),
  ]);
  const record = [name, shorts(type.TSIG, 255, 0, 0, data.length), data];
  const bytes = Buffer.concat([message, ...record]);
  bytes.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return { bytes, mac };
}

/** Checks a response with the key and the MAC of the request. `now` in seconds since 1970. */
export function verify(bytes: Buffer, key: TsigKey, requestMac: Buffer, now: number): Verdict {
  const message = decode(bytes);
  const tsig = tsigOf(message, bytes);
  if (tsig === undefined) return { kind: "unsigned" };
  const wrongKey = tsig.name !== key.name || tsig.algorithm !== algorithms[key.algorithm].wire;
  // BADSIG and BADKEY come without a MAC (RFC 8945 §5.3.2).
  if (tsig.error === 16 || tsig.error === 17)
    return { kind: "error", error: errorName(tsig.error) };
  if (wrongKey) return { kind: "forged" };
  const plain = Buffer.from(bytes.subarray(0, tsig.offset));
  plain.writeUInt16BE(message.additionals.length - 1, 10);
  plain.writeUInt16BE(tsig.originalId, 0);
  const prefix = Buffer.concat([shorts(requestMac.length), requestMac]);
  const mac = macOf(Buffer.concat([prefix, plain]), key, tsig);
  if (mac.length !== tsig.mac.length || !timingSafeEqual(mac, tsig.mac)) return { kind: "forged" };
  if (tsig.error !== 0) {
    const serverTime = tsig.other.length === 6 ? tsig.other.readUIntBE(0, 6) : undefined;
    return { kind: "error", error: errorName(tsig.error), serverTime };
  }
  return Math.abs(now - tsig.time) > tsig.fudge ? { kind: "forged" } : { kind: "good" };
}

interface Variables {
  time: number;
  fudge: number;
  error: number;
  other: Buffer;
}

function macOf(message: Buffer, key: TsigKey, variables: Variables): Buffer {
  const { hash, wire } = algorithms[key.algorithm];
  return createHmac(hash, key.secret)
    .update(message)
    .update(encodeName(key.name))
    .update(shorts(255, 0, 0))
    .update(encodeName(wire))
    .update(time48(variables.time))
    .update(shorts(variables.fudge, variables.error, variables.other.length))
    .update(variables.other)
    .digest();
}

interface Tsig extends Variables {
  name: string;
  algorithm: string;
  mac: Buffer;
  originalId: number;
  offset: number;
}

/** The TSIG record, which must be the last record (RFC 8945 §5.1). */
function tsigOf(message: Message, bytes: Buffer): Tsig | undefined {
  const record = message.additionals.at(-1);
  if (record?.type !== type.TSIG) return undefined;
  const start = record.data.byteOffset - bytes.byteOffset;
  const { name: algorithm, end } = decodeName(bytes, start);
  const size = bytes.readUInt16BE(end + 8);
  const after = end + 10 + size;
  const other = bytes.readUInt16BE(after + 4);
  return {
    name: record.name,
    algorithm,
    time: bytes.readUIntBE(end, 6),
    fudge: bytes.readUInt16BE(end + 6),
    mac: bytes.subarray(end + 10, after),
    originalId: bytes.readUInt16BE(after),
    error: bytes.readUInt16BE(after + 2),
    other: bytes.subarray(after + 6, after + 6 + other),
    offset: record.offset,
  };
}

function time48(seconds: number): Buffer {
  const buffer = Buffer.alloc(6);
  buffer.writeUIntBE(seconds, 0, 6);
  return buffer;
}

function errorName(error: number): TsigError {
  const names = { 16: "BADSIG", 17: "BADKEY", 18: "BADTIME", 22: "BADTRUNC" } as const;
  return error === 16 || error === 17 || error === 18 || error === 22
    ? names[error]
    : `error ${error}`;
}
