/** Stores that hosts share, for tests: one server for a file of tests, a database or a bucket for each test. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { indexEntryOf } from "../../../src/renew/index-entry.ts";
import { openPostgresStore } from "../../../src/state/postgres/postgres.ts";
import { openS3Store } from "../../../src/state/s3/s3.ts";
import { openSealing } from "../../../src/state/sealing.ts";
import type { Store } from "../../../src/state/store.ts";
import type { SharedTools } from "../../../src/state/tools.ts";
import { silentLog } from "../../../src/testing.ts";
import { temporaryFolder } from "../../support/state.ts";
import { never } from "../state.ts";

export const stateKey = randomBytes(32).toString("base64");

export interface Opening extends Partial<SharedTools> {
  readonly leaseTime?: number;
}

/** A store at this URL, whose local files go with the test. */
export async function openAt(url: string, tools: Opening = {}): Promise<Store> {
  const folder = tools.files === undefined ? await temporaryFolder("acmectl-files-") : undefined;
  if (folder !== undefined) onTestFinished(() => folder[Symbol.asyncDispose]());
  const open = url.startsWith("s3:") ? openS3Store : openPostgresStore;
  return open(url, {
    log: silentLog,
    clock: systemClock,
    env: {},
    cwd: "/",
    signal: never,
    mask: () => {},
    sealing: openSealing([stateKey]),
    indexOf: indexEntryOf,
    files: join(folder?.path ?? "", "files"),
    ...tools,
  });
}
