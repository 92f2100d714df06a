/** What a run may use, from the command down to the last room below it. Built once, from what was typed and the environment. */
import type { Readable } from "node:stream";
import type { Clock } from "./clock.ts";
import type { Config } from "./config/config.ts";
import type { Log, LogFields } from "./plugin.ts";
import type { Result } from "./result.ts";
import type { Store } from "./state/store.ts";

/** The log of a run. */
export interface RunLog extends Log {
  /** What happens now: on a terminal the one line that changes, elsewhere an `info` line. */
  progress?(message: string, fields?: LogFields): void;
}

export interface Context {
  /** Positional arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  readonly uid: number;
  /** True when a person can be asked: stdin and stderr are terminals, without `-n`, `--json` and CI. */
  readonly interactive: boolean;
  /** Shows the question on stderr and reads one line; call it only when `interactive`. Rejects when the run is stopped. */
  ask(question: string): Promise<string>;
  /** For a file given as `-`. */
  readonly stdin: Readable;
  readonly log: RunLog;
  readonly signal: AbortSignal;
  /** On SIGHUP, call `listener` instead of stopping the run, until the function that is answered is called. */
  readonly onHangup: (listener: () => void) => () => void;
  readonly clock: Clock;
  /** The config file, whether it exists or not: `--config`, `ACMECTL_CONFIG`, `/etc/acmectl/config.yaml` for root, else the XDG config folder's. */
  readonly configPath: string;
  /** Its content, read and checked at first use; empty when there is none, a Problem when one was named and is missing. */
  config(): Promise<Config>;
  /** `--state`, `ACMECTL_STATE`, the config, `/var/lib/acmectl` for root, else the XDG state folder: a folder, or a URL without its password. */
  statePlace(): Promise<string>;
  /** The same folder; of a shared state, the one for the files of this host. */
  stateFolder(): Promise<string>;
  /** What another command needs beside `statePlace` to open a shared state, as its arguments; secrets only by reference. */
  stateArguments(): Promise<readonly string[]>;
  /** The state, opened at first use. */
  store(): Promise<Store>;
  /** Another state, with the same keys. */
  storeAt(place: string): Promise<Store>;
  /** Texts given by flag for solvers, by plugin name and option: `{ cloudflare: { ttl: "60" } }`. */
  readonly solverFlags: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Where an option's value came from, for messages: `--domains`, `ACMECTL_DOMAINS`, `config.yaml: domains`, `default`. */
  readonly sourceOf: (option: string) => string;
  /**
   * For a command that runs until it is stopped: says at once, on stdout, what others need of it. With `--json` this is the
   * run's one document, on one line; with `--quiet` its verbatim blocks are still shown.
   */
  announce(beginning: Pick<Result, "document" | "view">): void;
  /** Register a secret so that it is masked in everything that is printed. */
  readonly mask: (secret: string) => void;
  /** The text without any secret that was registered, for what is kept. */
  readonly redact: (text: string) => string;
}
