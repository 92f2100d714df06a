/**
 * Records as JSON objects. Each write is conditional and carries a revision of its own and those before it: after an answer
 * that was lost, a run finds out that its write was made, even if another one has followed.
 */
import { randomBytes } from "node:crypto";
import { isRecord, parseJson } from "../../json.ts";
import { Problem } from "../../problem.ts";
import { swap, type Cell } from "../shared/swap.ts";
import type { Client } from "./client.ts";
import { decodedXml, elementOf } from "./faults.ts";

export interface Found {
  /** Not checked, for others may write to the bucket; undefined when it cannot be read. */
  readonly value: unknown;
  readonly etag: string;
  /** The newest first. */
  readonly revisions: readonly string[];
}
export interface Listed {
  readonly key: string;
  readonly etag: string;
}

export interface Objects {
  readonly where: string;
  read(key: string): Promise<Found | undefined>;
  /** Replaces what was found, or makes what was not; false when another run was faster. */
  write(key: string, value: unknown, revision: string, before: Found | undefined): Promise<boolean>;
  /** For a key that is used once. */
  put(key: string, value: unknown): Promise<void>;
  /** With an etag only as long as it has that one, where the server can do that. Succeeds when there is none. */
  remove(key: string, etag?: string): Promise<void>;
  /** In the order of their keys, a page of up to a thousand at a time. */
  readonly pages: (prefix: string, after?: string) => AsyncIterable<readonly Listed[]>;
  /** The time of the server, in milliseconds. */
  now(): number;
}

const keptRevisions = 16;

export function openObjects({ place, send, now }: Client): Objects {
  const remove: Objects["remove"] = async (key, etag) => {
    const [headers, more] = etag ? [{ "if-match": etag }, ["NotImplemented"]] : [{}, []];
    const known = { headers, expected: ["NoSuchKey", "PreconditionFailed", ...more] };
    if ((await send({ method: "DELETE", key, ...known })).status === 501) await remove(key);
  };
  return {
    where: place.where,
    now,
    async read(key) {
      const { status, text, headers } = await send({ method: "GET", key, expected: ["NoSuchKey"] });
      return status === 404 ? undefined : foundIn(text, headers.get("etag") ?? "");
    },
    async write(key, value, revision, before) {
      const revisions = [revision, ...(before?.revisions ?? [])].slice(0, keptRevisions);
      const condition =
        before === undefined ? { "if-none-match": "*" } : { "if-match": before.etag };
      const { status } = await send({
        method: "PUT",
        key,
        headers: { ...json, ...condition },
        body: textOf({ revisions, value }),
        expected: ["PreconditionFailed", "NoSuchKey"],
      });
      return status < 300;
    },
    async put(key, value) {
      await send({ method: "PUT", key, headers: json, body: textOf({ revisions: [], value }) });
    },
    remove,
    async *pages(prefix, after) {
      const length = place.prefix.length;
      let token: string | undefined;
      do {
        const query = {
          "list-type": "2",
          prefix: place.prefix + prefix,
          ...(after === undefined ? {} : { "start-after": place.prefix + after }),
        };
        const more = token === undefined ? query : { ...query, "continuation-token": token };
        const { text } = await send({ method: "GET", query: more });
        yield listedIn(text).map(({ key, etag }) => ({ key: key.slice(length), etag }));
        token =
          elementOf(text, "IsTruncated") === "true"
            ? elementOf(text, "NextContinuationToken")
            : undefined;
      } while (token !== undefined);
    },
  };
}

const json = { "content-type": "application/json" };

function textOf(record: object): string {
  return `${JSON.stringify(record, undefined, 1)}\n`;
}

function foundIn(text: string, etag: string): Found {
  const record = parseJson(text);
  if (!isRecord(record) || !Array.isArray(record["revisions"]))
    return { value: undefined, etag, revisions: [] };
  const revisions = record["revisions"].filter((one: unknown) => typeof one === "string");
  return { value: record["value"], etag, revisions };
}

export function broken(key: string, where: string): Problem {
  return new Problem("machine", {
    detail: `The object ${key} of the state in ${where} cannot be read.`,
    hint: "Restore the state from a backup, and find out who can write to the bucket.",
    retryable: false,
  });
}

function listedIn(xml: string): readonly Listed[] {
  return Array.from(xml.matchAll(/<Contents>(.*?)<\/Contents>/gs), ([, one = ""]) => ({
    key: elementOf(one, "Key") ?? "",
    etag: decodedXml(elementOf(one, "ETag") ?? ""),
  }));
}

/** A record for `swap`. Used once, since it remembers what was found. */
export function cellOf(objects: Objects, key: string): Cell<unknown> {
  let found: Found | undefined;
  return {
    async read() {
      found = await objects.read(key);
      const [revision, ...earlier] = found?.revisions ?? [];
      return { value: found?.value, revision: found && (revision ?? ""), earlier };
    },
    write: (value, revision) => objects.write(key, value, revision, found),
  };
}

/** Changes a record by compare-and-swap; with `undefined` for what is not there, it stays so. */
export function change<T>(
  objects: Objects,
  key: string,
  is: (value: unknown) => value is T,
  turn: (value: T | undefined) => T | undefined | Promise<T | undefined>,
): Promise<T | undefined> {
  const any = cellOf(objects, key);
  const cell: Cell<T | undefined> = {
    async read() {
      const { value, ...found } = await any.read();
      if (found.revision === undefined) return { ...found, value: undefined };
      if (!is(value)) throw broken(key, objects.where);
      return { ...found, value };
    },
    write: (value, revision, before) => any.write(value, revision, before),
  };
  return swap(`${objects.where} ${key}`, cell, turn);
}

/** For what is only replaced, or counts as absent when it cannot be read. */
export const isAnything = (value: unknown): value is unknown => value !== null;

/** Every record below a prefix, in the order of their keys. */
export async function* readAll(
  objects: Objects,
  prefix: string,
  known: Map<string, Found> = new Map(),
): AsyncIterable<readonly [key: string, found: Found]> {
  const seen = new Set<string>();
  for await (const page of objects.pages(prefix))
    for (let at = 0; at < page.length; at += atOnce) {
      const part = page.slice(at, at + atOnce);
      const found = await Promise.all(
        part.map(async ({ key, etag }) => {
          const old = known.get(key);
          return old?.etag === etag ? old : objects.read(key);
        }),
      );
      for (const [index, { key }] of part.entries()) {
        const one = found[index];
        // Removed since it was listed.
        if (one === undefined) continue;
        seen.add(key);
        yield [key, one];
      }
    }
}

/** Requests at a time. */
const atOnce = 32;

/** Sorts by time where the time is that of the server, and is never used twice. */
export function newId(objects: Pick<Objects, "now">): string {
  // What the answers tell of the time may go back a second.
  latest = Math.max(latest, objects.now());
  count += 1;
  const [time, number] = [latest, count].map((one) => String(one).padStart(14, "0"));
  return `${time}-${number}-${randomBytes(6).toString("hex")}`;
}

let [latest, count] = [0, 0];
