/** Transaction signatures (RFC 8945). */
import { createHmac, timingSafeEqual } from "node:crypto";
import { decode, decodeName, encodeName, shorts, type } from "./message.ts";
import type { Message } from "./message.ts";

export const algorithms = [
  "hmac-md5",
  "hmac-sha1",
  "hmac-sha224",
  "hmac-sha256",
  "hmac-sha384",
  "hmac-sha512",
] as const;
export type Algorithm = (typeof algorithms)[number];

export interface TsigKey {
  /** Lower case, no trailing dot. */
  readonly name: string;
  readonly algorithm: Algorithm;
  readonly secret: Buffer;
}

/** Result of checking the signature of a response. */
export type Verdict =
  | { readonly kind: "good" }
  | { readonly kind: "unsigned" }
  | { readonly kind: "forged" }
  /** The server did not accept the signature; with its clock for BADTIME, in seconds since 1970. */
  | { readonly kind: "error"; readonly error: string; readonly serverTime?: number | undefined };

/** Seconds that clocks may differ, as in other implementations. */
const fudge = 300;

/** Appends a TSIG record. The MAC of the response covers `mac`, too. `time` in seconds since 1970. */
export function sign(message: Buffer, key: TsigKey, time: number): { bytes: Buffer; mac: Buffer } {
  const mac = macOf(message, key, { time, fudge, error: 0, other: Buffer.alloc(0) });
  const data = Buffer.concat([
    encodeName(wireName(key)),
    time48(time),
    shorts(fudge, mac.length),
    mac,
    message.subarray(0, 2),
    shorts(0, 0),
  ]);
  const head = [encodeName(key.name), shorts(type.TSIG, 255, 0, 0, data.length)];
  const bytes = Buffer.concat([message, ...head, data]);
  bytes.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return { bytes, mac };
}

/** Checks a response with the key and the MAC of the request. `now` in seconds since 1970. */
export function verify(bytes: Buffer, key: TsigKey, requestMac: Buffer, now: number): Verdict {
  const message = decode(bytes);
  const tsig = tsigOf(message, bytes);
  if (tsig === undefined) return { kind: "unsigned" };
  const error = errorNames[tsig.error] ?? `error ${tsig.error}`;
  // These two come without a MAC (RFC 8945 §5.3.2).
  if (error === "BADSIG" || error === "BADKEY") return { kind: "error", error };
  if (tsig.name !== key.name || tsig.algorithm !== wireName(key)) return { kind: "forged" };
  const plain = Buffer.from(bytes.subarray(0, tsig.offset));
  plain.writeUInt16BE(message.additionals.length - 1, 10);
  plain.writeUInt16BE(tsig.originalId, 0);
  const prefix = Buffer.concat([shorts(requestMac.length), requestMac]);
  const mac = macOf(Buffer.concat([prefix, plain]), key, tsig);
  if (mac.length !== tsig.mac.length || !timingSafeEqual(mac, tsig.mac)) return { kind: "forged" };
  if (tsig.error !== 0) {
    const serverTime = tsig.other.length === 6 ? tsig.other.readUIntBE(0, 6) : undefined;
    return { kind: "error", error, serverTime };
  }
  return Math.abs(now - tsig.time) > tsig.fudge ? { kind: "forged" } : { kind: "good" };
}

const errorNames: Readonly<Record<number, string>> = {
  16: "BADSIG",
  17: "BADKEY",
  18: "BADTIME",
  22: "BADTRUNC",
};

type Tsig = NonNullable<ReturnType<typeof tsigOf>>;
type Variables = Pick<Tsig, "time" | "fudge" | "error" | "other">;

function macOf(message: Buffer, key: TsigKey, variables: Variables): Buffer {
  return createHmac(key.algorithm.replace("hmac-", ""), key.secret)
    .update(message)
    .update(encodeName(key.name))
    .update(shorts(255, 0, 0))
    .update(encodeName(wireName(key)))
    .update(time48(variables.time))
    .update(shorts(variables.fudge, variables.error, variables.other.length))
    .update(variables.other)
    .digest();
}

function wireName({ algorithm }: TsigKey): string {
  return algorithm === "hmac-md5" ? "hmac-md5.sig-alg.reg.int" : algorithm;
}

/** The TSIG record, which must be the last record (RFC 8945 §5.1). */
function tsigOf(message: Message, bytes: Buffer) {
  const record = message.additionals.at(-1);
  if (record?.type !== type.TSIG) return undefined;
  const start = record.data.byteOffset - bytes.byteOffset;
  const { name: algorithm, end } = decodeName(bytes, start);
  const after = end + 10 + bytes.readUInt16BE(end + 8);
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
