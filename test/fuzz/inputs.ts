/** Inputs near the seeds of a target: what tests try at random, and what the fuzzer builds on. */
import { readdirSync, readFileSync } from "node:fs";
import { array, constantFrom, nat, record } from "fast-check";
import { isRecord, parseJson } from "../../src/json.ts";
import type { Target } from "./target.ts";

export const seedsFolder = new URL("seeds/", import.meta.url).pathname;

export interface Seed {
  readonly file: string;
  readonly bytes: Buffer;
}

export function seedsOf({ name }: Pick<Target, "name">): readonly Seed[] {
  const files = readdirSync(seedsFolder + name).toSorted();
  return files.map((file) => ({ file, bytes: readFileSync(`${seedsFolder}${name}/${file}`) }));
}

const kinds = ["set", "insert", "remove", "repeat", "splice", "json", "json", "json"] as const;
interface Edit {
  readonly kind: (typeof kinds)[number];
  readonly at: number;
  readonly size: number;
  readonly value: number;
}

/** A base (by number) with a few changes; shrinks to fewer and smaller ones. */
export const changes = record({
  base: nat(),
  edits: array(record({ kind: constantFrom(...kinds), at: nat(), size: nat(), value: nat() }), {
    maxLength: 5,
  }),
});
export type Changes = { readonly base: number; readonly edits: readonly Edit[] };

const longest = 20_000;

/** The input that these changes make of one of the bases. */
export function changed(
  bases: readonly Buffer[],
  { base, edits }: Changes,
  words: readonly string[] = [],
): Buffer {
  const begin = bases[base % bases.length] ?? Buffer.alloc(0);
  const all = [...nasty, ...words];
  return edits.reduce((bytes, edit) => apply(edit, bytes, bases, all).subarray(0, longest), begin);
}

function apply(
  { kind, at, size, value }: Edit,
  bytes: Buffer,
  bases: readonly Buffer[],
  words: readonly string[],
): Buffer {
  const start = at % (bytes.length + 1);
  const end = Math.min(bytes.length, start + 1 + (size % 24));
  const put = (middle: Uint8Array, from = end) =>
    Buffer.concat([bytes.subarray(0, start), middle, bytes.subarray(from)]);
  switch (kind) {
    case "set":
      return put(Buffer.of(value & 0xff), start + 1);
    case "insert":
      return put(Buffer.from(words[value % words.length] ?? ""), start);
    case "remove":
      return put(Buffer.alloc(0));
    case "repeat":
      return put(
        Buffer.concat(Array.from({ length: 1 + (value % 40) }, () => bytes.subarray(start, end))),
      );
    case "splice": {
      const other = bases[value % bases.length] ?? bytes;
      const from = size % (other.length + 1);
      return put(other.subarray(from, from + 1 + (at % 64)), start);
    }
    default:
      return withOtherValue(bytes, at, value, words);
  }
}

/** A JSON text with another value at one place; any other text as it is. */
function withOtherValue(
  bytes: Buffer,
  at: number,
  value: number,
  words: readonly string[],
): Buffer {
  const json = parseJson(bytes.toString());
  if (typeof json !== "object" || json === null) return bytes;
  const places = placesIn(json);
  const place = places[at % places.length];
  if (place === undefined) return bytes;
  const other = structuredClone(places[value % places.length]?.value);
  const others: readonly unknown[] = [...values, ...words, other];
  Object.defineProperty(place.holder, place.key, {
    value: others[value % others.length],
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return Buffer.from(JSON.stringify(json));
}

interface JsonPlace {
  readonly holder: object;
  readonly key: string;
  readonly value: unknown;
}

function placesIn(holder: object): JsonPlace[] {
  return Object.entries(holder).flatMap(([key, value]: [string, unknown]) => [
    { holder, key, value },
    ...(isRecord(value) || Array.isArray(value) ? placesIn(value) : []),
  ]);
}

/** Texts that have broken programs. */
const nasty = [
  "\0",
  "\n",
  "\r\n",
  "\u001B[2J\u001B]0;x\u0007",
  "\u202E\u200B\uFEFF",
  "\uD800",
  "__proto__",
  "constructor",
  "../../../etc/passwd",
  "'",
  '"',
  "\\",
  "$(id)",
  "%00",
  "-----BEGIN PRIVATE KEY-----\n",
  "-----END CERTIFICATE-----\n",
  "{",
  "}",
  "[",
  ",",
  ":",
  "=",
  "-",
  "9999999999999999999999",
  "1e400",
  "0x10",
  "https://other.example/",
  "http://ca.example/",
  "javascript:alert(1)",
  "x".repeat(300),
  "a.".repeat(200),
  " ".repeat(2000),
];

const values: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  "",
  [],
  {},
  [[[]]],
  { type: "dns", value: "example.com" },
  { __proto__: null, constructor: 1, toString: 2 },
  "0001-01-01T00:00:00Z",
  "9999-12-31T23:59:59Z",
  "275760-09-13T00:00:00Z",
  "2026-06-01T12:00:00Z",
  ...nasty,
];
