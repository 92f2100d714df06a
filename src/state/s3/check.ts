import { checkRecords } from "../shared/check.ts";
import type { Finding, Store } from "../store.ts";
import { changeIndexed, isOld, partIn, unfenced } from "./due-index.ts";
import { heads, isHead, type Head } from "./head.ts";
import { readAll, type Objects } from "./objects.ts";
import type { Shared } from "./shared.ts";
import { readVersion } from "./versions.ts";

export async function checkObjects(
  shared: Shared,
  parts: Pick<Store, "accounts" | "certificates" | "journal">,
  { repair }: { repair: boolean },
): Promise<readonly Finding[]> {
  const records = await checkRecords(parts, (name) => readVersion(name, shared));
  const { objects } = shared;
  const all = await headsIn(objects);
  const findings: Finding[] = [];
  for await (const { key, etag, fault } of leftovers(all, objects)) {
    if (repair) await objects.remove(key, etag);
    const result = repair
      ? { done: "removed" }
      : { remedy: "Run acmectl state check --repair.", repairable: true };
    findings.push({ where: key, fault, ...result });
  }
  return [...records, ...findings, ...(await unfound(all, shared, repair))];
}

interface Leftover {
  readonly key: string;
  readonly etag: string;
  readonly fault: string;
}

interface KnownHead extends Partial<Head> {
  readonly key: string;
  readonly etag: string;
}

type Heads = ReadonlyMap<string, KnownHead>;

/** By their part of keys. */
async function headsIn(objects: Objects): Promise<Heads> {
  const all = new Map<string, KnownHead>();
  for await (const [key, { value, etag }] of readAll(objects, heads)) {
    const head = isHead(value) ? value : undefined;
    const part = key.slice(heads.length).replace(/\.json$/, "");
    all.set(part, { ...head, key, etag });
  }
  return all;
}

/** What killed runs and removed certificates leave. */
async function* leftovers(all: Heads, objects: Objects): AsyncIterable<Leftover> {
  for (const [prefix, faultOf] of Object.entries(faults))
    for await (const page of objects.pages(prefix))
      for (const { key, etag } of page) {
        const part = isEntry(key) ? partIn(key) : (key.split("/")[1] ?? "");
        const fault = faultOf(all.get(part), key, objects.now());
        if (fault !== undefined) yield { key, etag, fault };
      }
  for (const { key, etag, name: _, lease, ...rest } of all.values())
    if (hasEnded(lease, objects.now()) && Object.values(rest).every((one) => one == null))
      yield { key, etag, fault: "only an ended lease of a removed certificate is left in it" };
}

type FaultOf = (head: KnownHead | undefined, key: string, now: number) => string | undefined;

const withoutCertificate: FaultOf = (head, key) =>
  head?.request == null
    ? `it has a key of ${head?.name ?? key.split("/")[1]}, which is not a certificate`
    : undefined;

const notIndexed: FaultOf = (head, key, now) =>
  head?.index?.includes(key) === true || !isOld(key, now)
    ? undefined
    : "it is an entry of the index that its certificate does not have";

/** While a lease lives, its run may be about to put to use what it wrote. */
const faults: Readonly<Record<string, FaultOf>> = {
  "next-keys/": withoutCertificate,
  "refused/": withoutCertificate,
  "versions/": (head, key, now) =>
    Object.values(head?.versions ?? {}).includes(key) || isAlive(head?.lease, now)
      ? undefined
      : "a run that was killed has not put it to use",
  "due/": notIndexed,
  "look/": notIndexed,
  "sets/": notIndexed,
  "unfinished/": (head, key, now) =>
    head?.mark === key || isAlive(head?.lease, now)
      ? undefined
      : "it marks an unfinished order that does not exist",
};

const isEntry = (key: string) => /^(due|look|sets)\//.test(key);

/** Certificates that an index without their entries does not show. */
async function unfound(all: Heads, shared: Shared, repair: boolean): Promise<readonly Finding[]> {
  const known = new Set<string>();
  for (const prefix of ["due/", "look/", "sets/"])
    for await (const page of shared.objects.pages(prefix))
      for (const { key } of page) known.add(key);
  const findings: Finding[] = [];
  for (const { key, request, index = [], name = "" } of all.values()) {
    if (request == null || (index.length > 0 && index.every((one) => known.has(one)))) continue;
    if (repair) {
      await changeIndexed(name, unfenced(shared), (head) => head, { isAnew: true });
    }
    const result = repair
      ? { done: "indexed" }
      : { remedy: "Run acmectl state check --repair.", repairable: true };
    findings.push({ where: key, fault: "the index does not show it when it is due", ...result });
  }
  return findings;
}

const day = 86_400_000;

function isAlive(lease: Head["lease"], now: number): boolean {
  return lease !== undefined && lease.endsAt > now;
}

/** A lease that was given back ends at 0, and its token is the time when it was taken. */
function hasEnded(lease: Head["lease"], now: number): boolean {
  return lease !== undefined && Math.max(lease.endsAt, Number(lease.token)) < now - day;
}
