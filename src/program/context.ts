/** What a command may use, from the environment and the command line. */
import { lstatSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { createInterface } from "node:readline";
import type { Context } from "../context.ts";
import type { Config } from "../config/config.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { globalOptions } from "../options/declared/global.ts";
import type { Output } from "../output/output.ts";
import { Problem } from "../problem.ts";
import { stateOf } from "./state.ts";
import type { Typed } from "./typed.ts";
import type { Environment } from "../environment.ts";

export type LoadConfig = (path: string, reading: { explicit: boolean }) => Promise<Config>;

export interface Line {
  readonly command: string;
  readonly typed: Typed;
  readonly globals: OptionsOf<typeof globalOptions>;
  /** Of the global options and of the command's, by option. */
  readonly sources: Readonly<Record<string, string>>;
}

/** Config and state are read when the command asks: a missing home is a Problem only where the state is needed. */
export function contextOf(
  { command, typed, globals, sources }: Line,
  environment: Environment,
  output: Output,
  load: LoadConfig = loadConfig,
): Context {
  const { env, cwd, uid, stderr, signal, clock } = environment;
  // Node.js opens stdin at first use, which takes 6 ms.
  const terminal = () => environment.stdin.isTTY === true && stderr.isTTY === true;
  const configPath = () => globals.config ?? defaultConfigFile(environment);
  let loaded: Promise<Config> | undefined;
  // Without a config file the config is empty, unless the file was named.
  const config = async () =>
    (loaded ??= load(configPath(), { explicit: globals.config !== undefined }));
  const defaultFolder = () => defaultStateFolder(environment);
  const mask = (secret: string) => output.mask(secret);
  const tools = { env, cwd, signal, clock, log: output.log, mask };
  return {
    args: typed.args,
    env,
    cwd,
    uid,
    log: output.log,
    signal,
    clock,
    onHangup: (listener) => environment.onHangup?.(listener) ?? (() => undefined),
    solverFlags: typed.solverFlags,
    get stdin() {
      return environment.stdin;
    },
    get interactive() {
      const { nonInteractive, json } = globals;
      return nonInteractive !== true && json !== true && !isPipeline(env) && terminal();
    },
    get configPath() {
      return configPath();
    },
    config,
    ...stateOf(globals, { config, configPath, defaultFolder }, tools),
    ask: async (question) => ask(question, environment),
    sourceOf: (option) => sources[option] ?? "not given",
    announce: (beginning) => output.announce(command, beginning),
    mask,
    redact: (text) => output.redact(text),
  };
}

const loadConfig: LoadConfig = async (path, reading) => {
  if (!reading.explicit && isAbsent(path)) {
    // Most runs have no config file, and need no YAML.
    const { emptyConfig } = await import("../config/assemble.ts");
    return emptyConfig(path);
  }
  const settings = await import("../config/file.ts");
  return settings.loadConfig(path, reading);
};

/** False where it cannot be known: then reading the file says why. */
function isAbsent(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

/** CI systems set CI; some of them give their jobs a terminal. */
function isPipeline({ CI = "" }: Environment["env"]): boolean {
  return !["", "0", "false"].includes(CI);
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
      // For example EIO, when the terminal is gone.
      lines.on("error", () => reject(noAnswer(question)));
    });
  } finally {
    lines.close();
  }
}

function noAnswer(question: string): Problem {
  return new Problem("usage", {
    detail: `The input ended without an answer to: ${question}`,
    hint: "Give the answer as an option, and add -n if there is no terminal.",
  });
}

/** `/var/lib/acmectl` for root, else the XDG state folder. Throws a Problem when the user has no home. */
export function defaultStateFolder(user: Pick<Environment, "uid" | "env">): string {
  if (user.uid === 0) return "/var/lib/acmectl";
  const base = baseFolder(user, "XDG_STATE_HOME", ".local/state");
  if (base !== undefined) return join(base, "acmectl");
  throw new Problem("usage", {
    detail:
      "acmectl has no default folder for its state: neither XDG_STATE_HOME nor HOME is set to an absolute path.",
    hint: "Give --state, or set ACMECTL_STATE or HOME.",
  });
}

/** `/etc/acmectl/config.yaml` for root and for users without a home, such as a container's, else in the XDG config folder. */
export function defaultConfigFile(user: Pick<Environment, "uid" | "env">): string {
  const base = user.uid === 0 ? "/etc" : (baseFolder(user, "XDG_CONFIG_HOME", ".config") ?? "/etc");
  return join(base, "acmectl", "config.yaml");
}

/** By the XDG base directory specification, a relative path in such a variable is to be ignored. */
function baseFolder(
  { env }: Pick<Environment, "env">,
  variable: string,
  inHome: string,
): string | undefined {
  const [chosen = "", home = ""] = [env[variable], env["HOME"]];
  if (isAbsolute(chosen)) return chosen;
  return isAbsolute(home) ? join(home, inHome) : undefined;
}
