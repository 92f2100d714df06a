/** Stores in a bucket for tests: one server for a file of tests, a bucket for each test. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import { indexEntryOf } from "../../../src/renew/index-entry.ts";
import { isRecord } from "../../../src/json.ts";
import { openClient } from "../../../src/state/s3/client.ts";
import { openObjects } from "../../../src/state/s3/objects.ts";
import { placeOf } from "../../../src/state/s3/place.ts";
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
  return openS3Store(url, {
    log: silentLog,
    clock: systemClock,
    env: {},
    cwd: "/",
    signal: never,
    mask: () => {},
    sealing: openSealing([stateKey]),
    files: join(folder?.path ?? "", "files"),
    indexOf: indexEntryOf,
    ...tools,
  });
}

/** Changes an object of a state behind the store's back. */
export async function change(
  url: string,
  key: string,
  turn: (value: Record<string, unknown>) => unknown,
  env: Readonly<Record<string, string>>,
): Promise<void> {
  const tools = {
    log: silentLog,
    clock: systemClock,
    env,
    cwd: "/",
    signal: never,
    mask: () => {},
  };
  const objects = openObjects(openClient(await placeOf(url, tools), tools));
  const before = await objects.read(key);
  const value = turn(isRecord(before?.value) ? before.value : {});
  await objects.write(key, value, randomBytes(6).toString("hex"), before);
}
