import { Readable } from "node:stream";
import { loadConfig } from "../../src/config/file.ts";
import type { Context } from "../../src/context.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import { silentLog } from "../../src/testing.ts";
import { testClock } from "./clock.ts";

/** A run at `/home/ops` in which nothing was typed, with an empty environment and no config. */
export function contextOf({
  folder = "/home/ops/state",
  ...given
}: Partial<Context> & { folder?: string } = {}): Context {
  const { log = silentLog, clock = testClock() } = given;
  const storeAt = (place: string) => Promise.resolve(openFolderStore(place, { log, clock }));
  return {
    args: [],
    env: {},
    cwd: "/home/ops",
    uid: 1000,
    interactive: false,
    ask: () => Promise.reject(new Error("there is no terminal to ask at")),
    stdin: Readable.from([]),
    log,
    clock,
    signal: new AbortController().signal,
    onHangup: () => () => undefined,
    configPath: "/home/ops/no-config.yaml",
    config: () => loadConfig("/home/ops/no-config.yaml", { explicit: false }),
    statePlace: () => Promise.resolve(folder),
    stateFolder: () => Promise.resolve(folder),
    stateArguments: () => Promise.resolve([]),
    store: () => storeAt(folder),
    storeAt,
    solverFlags: {},
    sourceOf: () => "not given",
    announce: () => undefined,
    mask: () => undefined,
    redact: (text) => text,
    ...given,
  };
}
