import { rm } from "node:fs/promises";
import { embeddedCa, stagingOf, traitsOf } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { openFolderStore } from "../state/folder/folder.ts";
import type { Store } from "../state/store.ts";
import { makeTemporaryFolder, removeAbandoned } from "../temporary-folders.ts";

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
  const folder = await makeTemporaryFolder("dry-run");
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
