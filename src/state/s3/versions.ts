/** The versions of a certificate: each is an object that is written first, and put to use by a change of the certificate's own. */
import { isRecord } from "../../json.ts";
import { hasStrings } from "../folder/records.ts";
import { Problem } from "../../problem.ts";
import { isMeta, keptVersions } from "../folder/versions.ts";
import { keyOf, openVersion, type Version } from "../shared/version.ts";
import { openWholeVersion, type StoredWholeVersion } from "../shared/whole-version.ts";
import type {
  HeldCertificate,
  Lock,
  NewVersion,
  RefusedCertificate,
  WholeVersion,
} from "../store.ts";
import { partOf, readHead, type Head } from "./head.ts";
import { changeIndexed } from "./due-index.ts";
import { change, newId, readAll } from "./objects.ts";
import type { Shared } from "./shared.ts";

export const versionsOf = (name: string) => `versions/${partOf(name)}/`;

/** Key, certificate and chain become the held version together, if the lease is still this run's when they do. */
export async function commitVersion(
  name: string,
  version: NewVersion,
  lock: Lock,
  shared: Shared,
): Promise<HeldCertificate> {
  const isOwn = lock.name === `certificate:${name}`;
  if (!isOwn || lock.token === undefined) await lock.assertHeld();
  const { held, versions = {} } = await changeIndexed(
    name,
    shared,
    async (head) => {
      const number = (head.held?.version ?? 0) + 1;
      const object = `${versionsOf(name)}${padded(number)}-${newId(shared.objects)}.json`;
      await shared.objects.put(object, sealedVersion(name, number, version, shared));
      const versions = { ...head.versions, [number]: object };
      return { ...head, versions: newest(versions), held: { version: number, meta: version.meta } };
    },
    isOwn ? { token: lock.token } : {},
  );
  if (held === undefined) throw broken(name, shared);
  await prune(name, held.version, versions, shared);
  return { version: held.version, meta: version.meta };
}

const padded = (number: number) => String(number).padStart(6, "0");

function sealedVersion(
  name: string,
  number: number,
  version: NewVersion,
  { sealing }: Pick<Shared, "sealing">,
) {
  const { privateKey, certificate, chain, alternates = [], properties, meta, second } = version;
  const sealedKey = (key: string | undefined, type?: string) =>
    key === undefined ? undefined : sealing.seal(key, keyOf(name, number, type));
  const others = alternates.map((pem, index) => [`${index + 1}`, pem] as const);
  return {
    name,
    number,
    meta,
    certificate,
    chain,
    privateKey: sealedKey(privateKey),
    second: second && {
      ...second,
      privateKey: sealedKey(second.privateKey, meta.second?.keyType),
    },
    alternates: Object.fromEntries(others),
    properties,
  };
}

function newest(versions: NonNullable<Head["versions"]>): NonNullable<Head["versions"]> {
  const entries = Object.entries(versions).toSorted(([a], [b]) => Number(a) - Number(b));
  return Object.fromEntries(entries.slice(-keptVersions));
}

/** Removes old versions, and what a run wrote that was killed before it put it to use. */
async function prune(
  name: string,
  last: number,
  versions: NonNullable<Head["versions"]>,
  { objects }: Shared,
): Promise<void> {
  const kept = Object.values(versions);
  for await (const page of objects.pages(versionsOf(name))) {
    const old = page.filter(({ key }) => numberOf(key) <= last && !kept.includes(key));
    await Promise.all(old.map(({ key }) => objects.remove(key)));
  }
}

const numberOf = (key: string) => Number(/(\d+)-[^/]*$/.exec(key)?.[1]);

/** The held version. */
export async function readVersion(name: string, shared: Shared): Promise<Version | undefined> {
  const { objects, sealing } = shared;
  for (let left = 3; ; left--) {
    const { held, versions } = (await readHead(name, shared)) ?? {};
    if (held === undefined) return undefined;
    const object = versions?.[held.version];
    const found = object === undefined ? undefined : await objects.read(object);
    if (isVersion(found?.value))
      return openVersion(name, { ...found.value, number: held.version }, sealing);
    // Others have put newer ones to use since.
    if (left === 0 || found !== undefined) throw broken(name, shared);
  }
}

export function isVersion(value: unknown): value is StoredWholeVersion & { readonly name: string } {
  return (
    isRecord(value) &&
    hasStrings(value, ["name", "certificate", "chain"]) &&
    typeof value["number"] === "number" &&
    isMeta(value["meta"])
  );
}

/** Keep another form of a version's certificate. */
export async function saveAlternate(
  { name, version, place, pem }: { name: string; version: number; place: number; pem: string },
  { objects, assertHeld }: Shared,
): Promise<void> {
  const object = (await readHead(name, { objects }))?.versions?.[version];
  if (object === undefined) return;
  await change(objects, object, isVersion, async (before) => {
    await assertHeld(`certificate:${name}`);
    const alternates = { ...before?.alternates, [`optional-${place}`]: pem };
    return before && { ...before, alternates };
  });
}

/** Everything that is kept of its versions, the oldest first. */
export async function wholeVersions(
  name: string,
  { objects, sealing }: Shared,
): Promise<readonly WholeVersion[]> {
  const { versions = {} } = (await readHead(name, { objects })) ?? {};
  const all: WholeVersion[] = [];
  for (const object of Object.values(versions)) {
    const { value } = (await objects.read(object)) ?? {};
    if (isVersion(value)) all.push(openWholeVersion(name, value, sealing));
  }
  return all;
}

export const refusedFolder = (name: string) => `refused/${partOf(name)}/`;
export const refusedKey = (name: string, object: string) => ({
  kind: "refused certificate key",
  name,
  version: object,
});

/** What was kept so, the oldest first. */
export async function refusedOf(
  name: string,
  { objects, sealing }: Shared,
): Promise<readonly RefusedCertificate[]> {
  const all: RefusedCertificate[] = [];
  for await (const [key, { value }] of readAll(objects, refusedFolder(name))) {
    if (!isRecord(value) || !isRefused(value["facts"]) || typeof value["pem"] !== "string")
      continue;
    const { facts, pem, privateKey } = value;
    const opened =
      typeof privateKey === "string" ? sealing.open(privateKey, refusedKey(name, key)) : undefined;
    all.push({ ...facts, pem, privateKey: opened });
  }
  return all;
}

function isRefused(value: unknown): value is Omit<RefusedCertificate, "pem" | "privateKey"> {
  return hasStrings(value, ["why", "directory", "orderUrl", "at"]);
}

/** Keep a refused certificate with its key; answers where. */
export async function keepRefused(
  name: string,
  { pem, privateKey, ...facts }: RefusedCertificate,
  { objects, sealing, assertHeld }: Shared,
): Promise<string> {
  const object = `${refusedFolder(name)}${newId(objects)}.json`;
  const key = privateKey && sealing.seal(privateKey, refusedKey(name, object));
  await assertHeld(`certificate:${name}`);
  await objects.put(object, { name, facts, pem, privateKey: key });
  return `${objects.where} (${object})`;
}

function broken(name: string, { objects }: Pick<Shared, "objects">): Problem {
  return new Problem("machine", {
    detail: `The version of the certificate ${name} that is in use is missing or damaged in ${objects.where}.`,
    hint: "Restore the state from a backup, or issue the certificate again: acmectl renew --force",
    retryable: false,
  });
}
