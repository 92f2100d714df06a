import type { CertificateRequest } from "../certificate.ts";
import type { Configured } from "../request/configured.ts";
import { Problem } from "../problem.ts";
import type {
  BrokenCertificate,
  CertificateFiles,
  PendingOrder,
  Store,
  StoredCertificate,
} from "../state/store.ts";

/** A certificate that is wanted or held, with the request in force: the config's where it has one. */
export interface KnownCertificate extends StoredCertificate {
  /** How the config differs from the last run in a way that the certificate itself does not show. */
  readonly changed?: string | undefined;
  /** True if the store has this very request. */
  readonly isRemembered?: boolean | undefined;
  /** An order that no run has finished. */
  readonly pending?: PendingOrder | undefined;
  /** True while a run works on that order. */
  readonly isRunning?: boolean | undefined;
  /** Of the certificate held. */
  readonly files?: CertificateFiles | undefined;
}

/** A record that cannot be read does not stop the others. */
export interface Certificates {
  readonly certificates: readonly KnownCertificate[];
  readonly broken: readonly BrokenCertificate[];
  /** How many there are, if these are only some of them. */
  readonly total?: number | undefined;
}

/**
 * The certificates in the store; only those named, if any are. An unknown name is a Problem that lists the known ones. A first
 * `issue` that failed or was killed counts only if it is named: what was never issued cannot expire.
 */
export async function storedCertificates(
  store: Store,
  names: readonly string[] = [],
): Promise<Certificates> {
  const { certificates, broken } = await readAll(store);
  const known = [...certificates, ...broken].map(({ name }) => name);
  refuseUnknown(names, known, store);
  return {
    certificates: certificates.filter((one) =>
      names.length === 0 ? !isFirstAttempt(one) : names.includes(one.name),
    ),
    broken: broken.filter(({ name }) => names.length === 0 || names.includes(name)),
  };
}

/** What the config and earlier requests want, beside what is held. Orphans came from a config entry that is gone. */
export async function wantedCertificates(
  configured: Configured,
  store: Store,
): Promise<Certificates & { readonly orphans: readonly KnownCertificate[] }> {
  const { certificates, ...others } = withConfig(configured, await readAll(store));
  return { ...others, certificates: certificates.filter((one) => !isFirstAttempt(one)) };
}

/** The same one by one, in any order: a hundred thousand need not be in memory at once. */
export async function* eachWanted(
  configured: Configured,
  store: Store,
): AsyncGenerator<Wanted | BrokenCertificate> {
  for await (const one of eachMerged(configured, store))
    if ("problem" in one || one.isOrphan || !isFirstAttempt(one)) yield one;
}

export type Wanted = KnownCertificate & { readonly isOrphan: boolean };

async function* eachMerged(
  { requests, broken }: Configured,
  store: Store,
  attempts = false,
): AsyncGenerator<Wanted | BrokenCertificate> {
  const wanted = new Map(requests.map((one) => [one.name, one] as const));
  const incomplete = new Map(broken.map((one) => [one.name, one] as const));
  for await (const one of store.certificates.list({ attempts })) {
    const { name } = one;
    const isUnreadable = "problem" in one;
    if (isUnreadable) incomplete.delete(name);
    if (isUnreadable) yield one;
    else if (!incomplete.has(name)) yield merged(one, wanted.get(name));
    wanted.delete(name);
  }
  for (const request of wanted.values())
    yield { ...withRequest(request, undefined), isOrphan: false };
  yield* incomplete.values();
}

function merged(stored: StoredCertificate, request: CertificateRequest | undefined): Wanted {
  const known = request === undefined ? stored : withRequest(request, stored);
  return { ...known, isOrphan: request === undefined && stored.request.fromConfig === true };
}

/**
 * All that is wanted or held, by name, with unfinished orders; only those named, if any are. Offline. With `attempts`, each
 * step of their last attempts too.
 */
export async function knownCertificates(
  names: readonly string[],
  configured: Configured,
  store: Store,
  attempts = false,
): Promise<Certificates> {
  const { certificates, orphans, broken } = withConfig(configured, await readAll(store, attempts));
  const all = [...certificates, ...orphans, ...broken].toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  refuseUnknown(
    names,
    all.map(({ name }) => name),
    store,
  );
  const asked = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  const isQuiet = (await store.journal.names()).length === 0;
  const found = sorted(await Promise.all(asked.map((one) => withFiles(one, isQuiet, store))));
  const isShown = (one: KnownCertificate) =>
    names.length > 0 || !isFirstAttempt(one) || isInProgress(one);
  return { ...found, certificates: found.certificates.filter(isShown) };
}

/** What `knownCertificates` answers without names, one by one, in any order, and the files only if they are wanted. */
export async function* eachKnown(
  configured: Configured,
  store: Store,
  { attempts, files }: { readonly attempts?: boolean; readonly files: boolean },
): AsyncGenerator<KnownCertificate | BrokenCertificate> {
  const open = new Set(await store.journal.names());
  for await (const wanted of eachMerged(configured, store, attempts)) {
    const isQuiet = !open.has(wanted.name);
    const isWhole = "problem" in wanted || (isQuiet && !files);
    const one = isWhole ? wanted : await withFiles(wanted, isQuiet, store);
    if ("problem" in one || !isFirstAttempt(one) || isInProgress(one)) yield one;
  }
}

/** True while another run works on its order; not after such a run was killed. */
export function isInProgress({ pending, isRunning }: KnownCertificate): boolean {
  return pending?.orderUrl !== undefined && isRunning === true;
}

/** Asked for on the command line, and not issued yet. */
export function isFirstAttempt({ held, damage, request }: StoredCertificate): boolean {
  return held === undefined && damage === undefined && request.fromConfig !== true;
}

async function readAll(store: Store, attempts = false): Promise<Certificates> {
  return sorted(await Array.fromAsync(store.certificates.list({ attempts })));
}

function withConfig(
  { requests, broken: incomplete }: Configured,
  { certificates: stored, broken: damaged }: Certificates,
): Certificates & { readonly orphans: readonly KnownCertificate[] } {
  const unreadable = new Set(damaged.map(({ name }) => name));
  const broken = [...damaged, ...incomplete.filter(({ name }) => !unreadable.has(name))];
  const before = new Map(stored.map((one) => [one.name, one] as const));
  const fromConfig = requests
    .filter(({ name }) => !unreadable.has(name))
    .map((request) => withRequest(request, before.get(request.name)));
  const wanted = new Set([...requests, ...broken].map(({ name }) => name));
  const others = stored.filter(({ name }) => !wanted.has(name));
  return {
    certificates: [...fromConfig, ...others.filter(({ request }) => request.fromConfig !== true)],
    orphans: others.filter(({ request }) => request.fromConfig === true),
    broken,
  };
}

/** An unknown name is a Problem that lists the known ones. */
export function refuseUnknown(
  names: readonly string[],
  known: readonly string[],
  { where }: Pick<Store, "where">,
): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new Problem("usage", {
    detail: `${where} has no certificate called ${unknown.join(", ")}.`,
    hint:
      known.length === 0
        ? "Issue a first certificate: acmectl issue -d NAME."
        : `Choose one of these: ${known.join(", ")}.`,
  });
}

function sorted(found: readonly (KnownCertificate | BrokenCertificate)[]): Certificates {
  return {
    certificates: found.flatMap((one) => ("problem" in one ? [] : [one])),
    broken: found.flatMap((one) => ("problem" in one ? [one] : [])),
  };
}

export async function orBroken<T>(
  name: string,
  read: () => Promise<T>,
): Promise<T | BrokenCertificate> {
  try {
    return await read();
  } catch (problem) {
    if (!Problem.is(problem)) throw problem;
    return { name, problem };
  }
}

function withRequest(
  request: CertificateRequest,
  before: StoredCertificate | undefined,
): KnownCertificate {
  if (before === undefined) return { name: request.name, request, status: { failures: 0 } };
  const isChanged =
    before.request.fromConfig === true && solversOf(before.request) !== solversOf(request);
  const isRemembered = JSON.stringify(request) === JSON.stringify(before.request);
  const changed = isChanged ? "its solvers changed" : undefined;
  return { ...before, request, changed, isRemembered };
}

/** Without the options: a new token does not require a new certificate. */
function solversOf({ solvers }: CertificateRequest): string {
  return JSON.stringify(
    solvers.map(({ name, use, select, challenge }) => [
      name,
      use,
      select ?? null,
      challenge ?? null,
    ]),
  );
}

/** An unreadable journal is as bad as an unreadable record: no run can go on from there. */
async function withFiles(
  certificate: KnownCertificate | BrokenCertificate,
  isQuiet: boolean,
  store: Store,
): Promise<KnownCertificate | BrokenCertificate> {
  if ("problem" in certificate) return certificate;
  const { name, held } = certificate;
  const files = held && (await store.certificates.files(name, held));
  // No order is open, of any certificate.
  if (isQuiet) return { ...certificate, isRunning: false, files };
  return orBroken(name, async () => {
    const pending = await store.journal.read(name);
    const isRunning = pending !== undefined && (await store.isLocked(`certificate:${name}`));
    return { ...certificate, pending, isRunning, files };
  });
}
