import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedCa, stagingOf } from "../acme/presets.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { Context } from "../context.ts";
import { openFolderStore } from "../state/folder/folder.ts";
import type { Store } from "../state/store.ts";

/** Where a run keeps things, and what it asks for. */
export interface Run extends AsyncDisposable {
  readonly store: Store;
  requestOf(request: CertificateRequest): CertificateRequest;
}

/** A run that counts. */
export async function openRealRun(context: Context): Promise<Run> {
  return {
    store: await context.store(),
    requestOf: (request) => request,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/**
 * A run that keeps nothing but its account: certificates go to a folder that is removed at the end. The CA's staging
 * environment is asked, or the embedded CA where none is known.
 */
export async function openDryRun(context: Context): Promise<Run> {
  const folder = await mkdtemp(join(tmpdir(), "acmectl-dry-run-"));
  const { accounts } = await context.store();
  return {
    store: { ...openFolderStore(folder, context), accounts },
    requestOf: (request) => ({
      ...request,
      issuer: { ...request.issuer, server: rehearsalServer(request.issuer.server) },
    }),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

function rehearsalServer(server: string): string {
  return stagingOf(server) ?? embeddedCa;
}
