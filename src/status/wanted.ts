import type { CertificateRequest } from "../certificate.ts";
import { Problem } from "../problem.ts";
import type { Store, StoredCertificate } from "../state/store.ts";

/** What is wanted, by the config and by requests made on the command line, beside what is held. */
export interface Wanted {
  /** Each with the request in force: the config's where it has one. */
  readonly certificates: readonly WantedCertificate[];
  /** Held for a config entry that is gone. */
  readonly orphans: readonly StoredCertificate[];
  /** Wanted or held, and nobody can tell how they are. */
  readonly broken: readonly BrokenCertificate[];
}
/** A certificate whose record cannot be read, and why. */
export interface BrokenCertificate {
  readonly name: string;
  readonly problem: Problem;
}
export interface WantedCertificate extends StoredCertificate {
  /** The config says it otherwise than the last run did, in a way that the certificate itself does not show. */
  readonly changed?: string;
}

/** What the config wants beside what is held; one that cannot be read stands in the way of no other. */
export async function wantedCertificates(
  configured: readonly CertificateRequest[],
  store: Store,
): Promise<Wanted> {
  const { certificates: stored, broken } = await readAll(store);
  const byName = new Map(stored.map((one) => [one.name, one]));
  const unreadable = new Set(broken.map(({ name }) => name));
  const fromConfig = configured
    .filter(({ name }) => !unreadable.has(name))
    .map((request) => withRequest(request, byName.get(request.name)));
  const others = stored.filter(({ name }) => !configured.some((request) => request.name === name));
  return {
    certificates: [...fromConfig, ...others.filter(({ request }) => request.fromConfig !== true)],
    orphans: others.filter(({ request }) => request.fromConfig === true),
    broken,
  };
}

/** Every certificate of the store, those apart that cannot be read. */
export async function readAll(store: Store): Promise<{
  readonly certificates: readonly StoredCertificate[];
  readonly broken: readonly BrokenCertificate[];
}> {
  const names = await store.certificates.names();
  const found = await Promise.all(
    names.map((name) => orBroken(name, () => store.certificates.read(name))),
  );
  return {
    certificates: found.flatMap((one) => (one === undefined || "problem" in one ? [] : [one])),
    broken: found.flatMap((one) => (one !== undefined && "problem" in one ? [one] : [])),
  };
}

/** What `read` answers, or its Problem beside the certificate's name. */
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

/** An unknown name is a Problem that lists those there are. */
export function refuseUnknown(
  names: readonly string[],
  known: readonly string[],
  { root }: Pick<Store, "root">,
): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  throw new Problem("usage", {
    detail: `There is no certificate called ${unknown.join(", ")} in ${root}.`,
    hint:
      known.length === 0
        ? "Nothing was issued yet: acmectl issue -d NAME."
        : `There are: ${known.join(", ")}.`,
  });
}

function withRequest(
  request: CertificateRequest,
  stored: StoredCertificate | undefined,
): WantedCertificate {
  if (stored === undefined) return { name: request.name, request, status: { failures: 0 } };
  const changed =
    stored.request.fromConfig === true && solversOf(stored.request) !== solversOf(request);
  return { ...stored, request, ...(changed ? { changed: "its solvers changed" } : {}) };
}

/** Who proves the names, without the options: a new token is no reason for a new certificate. */
function solversOf({ solvers }: CertificateRequest): string {
  return JSON.stringify(solvers.map(({ name, use, select }) => [name, use, select ?? null]));
}
