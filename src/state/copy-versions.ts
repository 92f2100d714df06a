/** Copies all that is kept of the versions of one certificate, under its lock. Their numbers may be others there. */
import { isSame } from "./copied.ts";
import type { HeldCertificate, Lock, Store, StoredCertificate, WholeVersion } from "./store.ts";

type Stores = Readonly<Record<"from" | "to", Store>>;

/** The version in use afterwards; `before` when it is the same. */
export async function copyVersions(
  { name, held }: StoredCertificate,
  before: HeldCertificate | undefined,
  lock: Lock,
  { from, to }: Stores,
): Promise<HeldCertificate | undefined> {
  if (held === undefined || isSameVersion(before, held)) return before;
  let after = before;
  for (const { number: _, added, ...version } of missing(
    held,
    before,
    await from.certificates.versions(name),
  )) {
    after = await to.certificates.commit(name, version, lock);
    for (const [place, pem] of Object.entries(added))
      await to.certificates.saveAlternate(name, after.version, Number(place), pem);
  }
  return after;
}

/** Those that came after what is there, all where nothing is; the one in use last. */
function missing(
  held: HeldCertificate,
  before: HeldCertificate | undefined,
  all: readonly WholeVersion[],
): readonly WholeVersion[] {
  const last = all.findIndex((one) => isSameVersion(one, before));
  const others = all.filter((one, index) => index > last && one.number !== held.version);
  return [...others, ...all.filter(({ number }) => number === held.version)];
}

function isSameVersion(
  one: Pick<HeldCertificate, "meta"> | undefined,
  other: Pick<HeldCertificate, "meta"> | undefined,
): boolean {
  return one !== undefined && one.meta.fingerprint === other?.meta.fingerprint;
}

/** Read back: each version that was to be copied is there, with its key, its chains and what the CA sent beside them. */
export async function hasAllVersions(
  { name, held }: StoredCertificate,
  before: HeldCertificate | undefined,
  { from, to }: Stores,
): Promise<boolean> {
  if (held === undefined) return true;
  const wanted = isSameVersion(before, held)
    ? []
    : missing(held, before, await from.certificates.versions(name));
  const found = await to.certificates.versions(name);
  return wanted.every((one) =>
    found.some((other) => isSameVersion(one, other) && isSame(trimmed(one), trimmed(other))),
  );
}

/** A folder ends each file with a line break. */
function trimmed(version: WholeVersion): unknown {
  const whole = { ...version, number: undefined };
  const text = JSON.stringify(whole, (_key, value: unknown) =>
    typeof value === "string" ? value.trim() : value,
  );
  const all: unknown = JSON.parse(text);
  return all;
}

/** True when all of them were there. */
export async function copyRefused(name: string, { from, to }: Stores): Promise<boolean> {
  const known = await to.certificates.refused(name);
  const refused = (await from.certificates.refused(name)).filter(
    (one) => !known.some((other) => other.orderUrl === one.orderUrl && other.at === one.at),
  );
  for (const one of refused) await to.certificates.keepRefused(name, one);
  return refused.length === 0;
}
