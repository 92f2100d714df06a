/** What a command may touch, from what surrounds the run and what was typed. */
import { createInterface } from "node:readline";
import type { Clock } from "../clock.ts";
import type { Context } from "../context.ts";
import type { Config } from "../config/config.ts";
import type { OptionsOf } from "../options/declaration.ts";
import { defaultConfigFile, defaultStateFolder } from "../options/folders.ts";
import type { globalOptions } from "../options/declared/global.ts";
import type { Output } from "../output/output.ts";
import type { Store } from "../state/store.ts";
import type { Log } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { Typed } from "./flags.ts";
import type { Run, Environment } from "../environment.ts";

export interface ContextFrom {
  readonly run: Run;
  /** The command's name. */
  readonly command: string;
  readonly typed: Typed;
  readonly globals: OptionsOf<typeof globalOptions>;
  /** Of the global options and of the command's, by option. */
  readonly sources: Readonly<Record<string, string>>;
  readonly output: Output;
}

/** Nothing is read before the command asks: a folder that cannot be found is a Problem only where it is needed. */
export function contextOf({ run, command, typed, globals, sources, output }: ContextFrom): Context {
  const { environment, parts } = run;
  const { env, cwd, uid, stdin, stderr, signal, clock } = environment;
  const terminal = () => stdin.isTTY === true && stderr.isTTY === true;
  const load = parts.loadConfig ?? loadConfig;
  let config: Promise<Config> | undefined;
  let store: Promise<Store> | undefined;
  return {
    args: typed.args,
    env,
    cwd,
    uid,
    log: output.log,
    signal,
    clock,
    solverFlags: typed.solverFlags,
    get stdin() {
      return environment.stdin;
    },
    get interactive() {
      return globals.nonInteractive !== true && terminal();
    },
    get configPath() {
      return globals.config ?? defaultConfigFile(environment);
    },
    get stateFolder() {
      return globals.state ?? defaultStateFolder(environment);
    },
    async config() {
      // No config at all is fine, unless one was named.
      config ??= load(this.configPath, { explicit: globals.config !== undefined });
      return config;
    },
    async store() {
      store ??= openStore(this.stateFolder, { log: output.log, clock });
      return store;
    },
    ask: async (question) => ask(question, environment),
    sourceOf: (option) => sources[option] ?? "not given",
    announce: (beginning) => output.announce(command, beginning),
    mask: (secret) => output.mask(secret),
    redact: (text) => output.redact(text),
  };
}

async function loadConfig(path: string, reading: { explicit: boolean }): Promise<Config> {
  const settings = await import("../config/file.ts");
  return settings.loadConfig(path, reading);
}

async function openStore(folder: string, tools: { log: Log; clock: Clock }): Promise<Store> {
  const { openFolderStore } = await import("../state/folder/folder.ts");
  return openFolderStore(folder, tools);
}

async function ask(question: string, { stdin, stderr, signal }: Environment): Promise<string> {
  stderr.write(`${question} `);
  const lines = createInterface({ input: stdin, terminal: false });
  try {
    return await new Promise((resolve, reject) => {
      signal.throwIfAborted();
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      lines.once("line", (line) => resolve(line.trim()));
      lines.once("close", () => reject(noAnswer(question)));
    });
  } finally {
    lines.close();
  }
}

function noAnswer(question: string): Problem {
  return new Problem("usage", {
    detail: `The input ended before this was answered: ${question}`,
    hint: "Give the answer as an option, and -n where nobody can be asked.",
  });
}
