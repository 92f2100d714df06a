import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedCa, stagingOf, traitsOf } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { isRunning } from "../process.ts";
import { openFolderStore } from "../state/folder/folder.ts";
import type { Store } from "../state/store.ts";

/** Where a run keeps things, and what it asks for. */
export interface Run extends AsyncDisposable {
  readonly store: Store;
  /** Where the embedded CA keeps its keys; below the state folder when absent. */
  readonly folder?: string;
  requestOf(request: CertificateRequest): CertificateRequest;
}

/** A run that counts. */
export async function openRealRun(context: Context): Promise<Run> {
  await removeAbandoned();
  return {
    store: await context.store(),
    requestOf: (request) => request,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * A run that keeps nothing but its account with a staging environment: everything else goes to a folder that is removed at the
 * end. The embedded CA is asked where no staging environment is known.
 */
export async function openDryRun(context: Context): Promise<Run> {
  const { accounts } = await context.store();
  await removeAbandoned();
  const folder = await mkdtemp(join(tmpdir(), `${prefix}${process.pid}-`));
  const temporary = openFolderStore(folder, context);
  const of = (directory: string) => (traitsOf(directory).forgets ? temporary.accounts : accounts);
  return {
    store: {
      ...temporary,
      accounts: {
        ...accounts,
        ofDirectory: (directory) => of(directory).ofDirectory(directory),
        create: (account) => of(account.directory).create(account),
        update: (account, change) => of(account.directory).update(account, change),
      },
    },
    folder,
    requestOf: (request) => rehearsalOf(request, context),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Before the id of the process that made a temporary folder. */
const prefix = "acmectl-dry-run-";

/** Folders that killed dry runs left, with the keys of accounts. What cannot be read or removed stays for the next run. */
async function removeAbandoned(): Promise<void> {
  const names = await readdir(tmpdir()).catch(() => []);
  for (const name of names.filter((one) => one.startsWith(prefix))) {
    const path = join(tmpdir(), name);
    if (await isAbandoned(path, Number.parseInt(name.slice(prefix.length), 10)))
      await rm(path, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** An hour, because the process may be one of another container with the same temporary folder. */
async function isAbandoned(path: string, pid: number): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined || !found.isDirectory()) return false;
  const isOurs = found.uid === (process.geteuid?.() ?? found.uid);
  return isOurs && Date.now() - found.mtimeMs > 3_600_000 && !isRunning(pid);
}

/** With the embedded CA only names, key and solvers can be rehearsed: the rest are that CA's own rules. */
function rehearsalOf(wanted: CertificateRequest, { log }: Context): CertificateRequest {
  // A temporary certificate would be copied to where servers read it, and TLSA records are seen by all.
  const request = { ...wanted, temporary: undefined, issuers: undefined, dane: undefined };
  const { server } = request.issuer;
  const staging = stagingOf(server);
  if (staging !== undefined) return { ...request, issuer: { ...request.issuer, server: staging } };
  log.info(
    `${request.name}: rehearsing with the embedded CA instead of ${server}; account, profile, chain, CAA records and limits there are not checked`,
  );
  const {
    profile: _profile,
    profileRequired: _required,
    preferredChain: _chain,
    duration: _duration,
    notBefore: _start,
    notAfter: _end,
    ...kept
  } = request;
  return { ...kept, issuer: { server: embeddedCa, agreeTos: true } };
}
