/** DER (X.690), as far as certificates and requests for them need it: a library for all of it takes longer to load than an order. */
import { isIPv4 } from "node:net";

export interface Element {
  readonly tag: number;
  readonly content: Buffer;
  /** All of it, with tag and length. */
  readonly bytes: Buffer;
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The tag of a field by its number (`[0]`): with elements in it, or with plain content. */
export const fieldOf = (number: number) => 0xa0 | number;
export const plainFieldOf = (number: number) => 0x80 | number;

/** The elements that `bytes` consist of; none where they are not DER. */
export function elementsOf(bytes: Buffer): readonly Element[] {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length;) {
    const [tag = 0, first = 0] = bytes.subarray(at);
    const more = first < 0x80 ? 0 : first & 0x7f;
    const start = at + 2 + more;
    // Four bytes of length are 4 GB; 0x80 would be a length that is not known, which DER does not have.
    if (first === 0x80 || more > 4 || start > bytes.length) return [];
    const end = start + (more === 0 ? first : bytes.readUIntBE(at + 2, more));
    if (end > bytes.length) return [];
    found.push({ tag, content: bytes.subarray(start, end), bytes: bytes.subarray(at, end) });
    at = end;
  }
  return found;
}

export function encode(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const size: number[] = [];
  for (let left = content.length; left > 0; left = Math.floor(left / 256)) size.unshift(left % 256);
  const length = content.length < 0x80 ? [content.length] : [0x80 | size.length, ...size];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
}

/** The content of an object identifier: `2.5.29.17`. */
export function identifierBytes(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return Buffer.from([first * 40 + second, ...rest].flatMap(base128));
}

/** Seven bits a byte; all bytes but the last have the first bit set. */
function base128(number: number): readonly number[] {
  const bytes = [number & 0x7f];
  for (let left = number >> 7; left > 0; left >>= 7) bytes.unshift(0x80 | (left & 0x7f));
  return bytes;
}

/** An object identifier in text form. */
export function dottedOf({ content }: Element): string {
  const numbers = [0];
  for (const byte of content) {
    numbers.push((numbers.pop() ?? 0) * 0x80 + (byte & 0x7f));
    if (byte < 0x80) numbers.push(0);
  }
  const [first = 0, ...rest] = numbers.slice(0, -1);
  const top = Math.min(Math.floor(first / 40), 2);
  return [top, first - top * 40, ...rest].join(".");
}

/** The bytes of an address in text form, as in a `subjectAltName` (RFC 5280 §4.2.1.6). */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail = ""] = address.split("::");
  const [before, after] = [groupsOf(head), groupsOf(tail)];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  const all = [...before, ...zeros, ...after].map((group) => group.padStart(4, "0"));
  return Buffer.from(all.join(""), "hex");
}

const groupsOf = (text: string) => (text === "" ? [] : text.split(":"));

/** Undefined unless there are 4 or 16 bytes. */
export function addressOf(bytes: Buffer): string | undefined {
  if (bytes.length === 4) return bytes.join(".");
  return bytes.length === 16 ? bytes.toString("hex").match(/.{4}/g)?.join(":") : undefined;
}
