/**
 * Finds what is due without reading the rest: objects whose keys sort by time. Those that a certificate needs are written
 * before its own object, which names them, and those that it had are removed after: one too many is found out by reading it.
 */
import { markOf } from "../namesakes.ts";
import { isBefore, nowBefore } from "../shared/due.ts";
import type { Store } from "../store.ts";
import { changeHead, heads, isHead, partOf, type Head } from "./head.ts";
import type { Holding } from "./hosts.ts";
import { newId, type Objects } from "./objects.ts";
import { listedOf, type Listed } from "./stored.ts";

type Index = Pick<Store["certificates"], "due" | "nextDue" | "count" | "namesakes">;

export function openIndex(shared: Holding): Index {
  const { objects } = shared;
  return {
    due: (before) => dueBefore(before, shared),
    async nextDue(time) {
      for await (const page of objects.pages("due/", `due/${keyTime(time)}`))
        for (const { key } of page) {
          if (timeIn(key) === never) return undefined;
          const one = await readListed(key, shared);
          const now = nowBefore(time, shared.clock);
          const at = one && "request" in one ? shared.indexOf(one, now).due : undefined;
          if (one !== undefined && at !== undefined && at >= time) return { name: one.name, at };
        }
      return undefined;
    },
    async count() {
      const parts = new Set<string>();
      for await (const page of objects.pages("due/"))
        for (const { key } of page) parts.add(partIn(key));
      return parts.size;
    },
    async namesakes({ name, identifiers }) {
      const names: string[] = [];
      for await (const page of objects.pages(`sets/${markOf(identifiers)}/`))
        for (const { key } of page) {
          const one = await readListed(key, shared);
          if (one !== undefined && one.name !== name) names.push(one.name);
        }
      return names;
    },
  };
}

/** Requests at a time. */
const atOnce = 32;

async function* dueBefore(
  { due, look }: Parameters<Index["due"]>[0],
  shared: Holding,
): AsyncIterable<Listed> {
  const { objects, clock } = shared;
  const all = [
    ...(await keysBefore("due", due, objects)),
    ...(await keysBefore("look", look, objects)),
  ];
  // A certificate may have an entry of each kind, and some that another change has left.
  const seen = new Set<string>();
  for (let at = 0; at < all.length; at += atOnce) {
    const part = all.slice(at, at + atOnce);
    const found = await Promise.all(part.map((key) => readListed(key, shared)));
    for (const one of found) {
      if (one === undefined || seen.has(one.name)) continue;
      seen.add(one.name);
      const entry = "problem" in one ? undefined : shared.indexOf(one, nowBefore(due, clock));
      if (entry === undefined || isBefore(entry.due, due) || isBefore(entry.look, look)) yield one;
      else await changeIndexed(one.name, unfenced(shared), (head) => head);
    }
  }
}

async function keysBefore(kind: string, limit: Date, objects: Objects): Promise<readonly string[]> {
  const found: string[] = [];
  for await (const page of objects.pages(`${kind}/`)) {
    const early = page.filter(({ key }) => Number(timeIn(key)) < limit.getTime());
    found.push(...early.map(({ key }) => key));
    if (early.length < page.length) break;
  }
  return found;
}

/** The certificate of an entry; undefined, and the entry removed, when it has another one by now. */
async function readListed(key: string, shared: Holding): Promise<Listed | undefined> {
  const { objects } = shared;
  const head = `${heads}${partIn(key)}.json`;
  const found = await objects.read(head);
  if (found === undefined) return undefined;
  const isOwn = !isHead(found.value) || keysOf(found.value).includes(key);
  // Just written, it may be named by its certificate in a moment.
  if (!isOwn && isOld(key, objects.now())) await objects.remove(key).catch(() => undefined);
  return isOwn ? listedOf(head, found, { hosts: await shared.hosts.read(), objects }) : undefined;
}

/** Changes a certificate and its entries. */
export async function changeIndexed(
  name: string,
  shared: Pick<Holding, "objects" | "tokenOf" | "indexOf" | "clock">,
  turn: (head: Head) => Head | Promise<Head>,
  options: { readonly token?: string | undefined; readonly isAnew?: boolean | undefined } = {},
): Promise<Head> {
  const { token, isAnew = false } = options;
  // Also what was written for a change that another run's prevented.
  const seen = new Set<string>();
  const head = await changeHead(
    name,
    shared,
    async (before) => {
      const after = await turn(before);
      if (!isAnew) for (const key of keysOf(before)) seen.add(key);
      const index = await entriesOf(after, [...seen], shared);
      for (const key of index) seen.add(key);
      return { ...after, index: index.length === 0 ? undefined : index };
    },
    { token },
  );
  const old = [...seen].filter((key) => !keysOf(head).includes(key));
  await Promise.all(old.map((key) => shared.objects.remove(key)));
  return head;
}

/** Without the certificate's lease, too. */
export const unfenced = <T extends object>(shared: T) => ({ ...shared, tokenOf: () => undefined });

/** Those that are there already stay. */
async function entriesOf(
  head: Head,
  present: readonly string[],
  { objects, indexOf, clock }: Pick<Holding, "objects" | "indexOf" | "clock">,
): Promise<readonly string[]> {
  const one = listedOf("", { value: head }, { hosts: () => undefined, objects });
  if (one === undefined) return [];
  const isBroken = "problem" in one;
  const { due, look } = isBroken
    ? { due: new Date(0), look: undefined }
    : indexOf(one, clock.now());
  const part = partOf(head.name);
  const prefixes = [
    `due/${due === undefined ? never : keyTime(due)}/${part}/`,
    ...(look === undefined ? [] : [`look/${keyTime(look)}/${part}/`]),
    ...(isBroken ? [] : [`sets/${markOf(one.request.identifiers)}/${part}/`]),
  ];
  return Promise.all(
    prefixes.map(async (prefix) => {
      const known = present.find((key) => key.startsWith(prefix));
      if (known !== undefined) return known;
      const key = `${prefix}${newId(objects)}.json`;
      await objects.put(key, { name: head.name });
      return key;
    }),
  );
}

const keysOf = ({ index = [] }: Pick<Head, "index">): readonly string[] => index;

/** Of a key `due/TIME/PART/ID`. */
export const partIn = (key: string) => key.split("/")[2] ?? "";
const timeIn = (key: string) => key.split("/")[1] ?? "";

/** Sorts behind every time. */
const never = "9".repeat(14);

/** The minute in milliseconds: a time that moves by seconds changes no key. */
function keyTime(time: Date): string {
  const minute = Math.floor(time.getTime() / 60_000) * 60_000;
  return String(Number.isNaN(minute) ? 0 : Math.max(0, minute)).padStart(14, "0");
}

/** True when the run that wrote it has surely gone on or ended. */
export function isOld(key: string, now: number): boolean {
  const [, written = "0"] = /\/(\d+)-[^/]*$/.exec(key) ?? [];
  return Number(written) < now - 3_600_000;
}

/** True when a run has to do with it before this time, as far as its entries say. */
export function isDueBefore(head: Head, due: Date | undefined): boolean {
  const [key] = keysOf(head).filter((one) => one.startsWith("due/"));
  return due === undefined || key === undefined || Number(timeIn(key)) < due.getTime();
}
