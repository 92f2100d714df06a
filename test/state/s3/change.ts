import { randomBytes } from "node:crypto";
import { systemClock } from "../../../src/clock.ts";
import { isRecord } from "../../../src/json.ts";
import { openClient } from "../../../src/state/s3/client.ts";
import { openObjects } from "../../../src/state/s3/objects.ts";
import { placeOf } from "../../../src/state/s3/place.ts";
import { silentLog } from "../../../src/testing.ts";
import { never } from "../state.ts";

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
