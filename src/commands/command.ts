/** A command is data: its options, and one function. `program.ts` gives it to commander, `docs` and completion read it too. */
import type { Readable } from "node:stream";
import type { Clock } from "../clock.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import type { Log } from "../plugin.ts";
import type { Result } from "../result.ts";
import type { Config } from "../config/config.ts";
import { Problem } from "../problem.ts";

export interface CommandDefinition<D extends OptionDeclarations = OptionDeclarations> {
  /** `issue`, or `account register` for a subcommand. */
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What follows the summary in help, if anything. */
  readonly description?: string;
  readonly examples?: readonly string[];
  /** Positional arguments in commander's notation, e.g. `[name...]`, with a description. */
  readonly arguments?: readonly { readonly usage: string; readonly description: string }[];
  readonly options: D;
  /** True: the flags of the chosen solvers (`--cloudflare-ttl`) belong to this command. */
  readonly solverFlags?: boolean;
  run(options: OptionsOf<D>, context: CommandContext): Promise<Result>;
}

export function defineCommand<const D extends OptionDeclarations>(
  command: CommandDefinition<D>,
): CommandDefinition<D> {
  return command;
}

export interface CommandContext {
  /** Positional arguments. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Absolute. */
  readonly cwd: string;
  readonly uid: number;
  /** True when a person can be asked: stdin and stderr are terminals and `-n` was not given. */
  readonly interactive: boolean;
  /** Shows the question on stderr and reads one line; call it only when `interactive`. Rejects when the run is stopped. */
  ask(question: string): Promise<string>;
  /** For a file given as `-`. */
  readonly stdin: Readable;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** The config file, whether it exists or not: `--config`, `ACMECTL_CONFIG`, `/etc/acmectl/config.yaml` for root, else the XDG config folder's. */
  readonly configPath: string;
  /** What stands in it, read and checked at first use; empty when there is none, a Problem when one was named and is missing. */
  config(): Promise<Config>;
  /** The state folder: `--state`, `ACMECTL_STATE`, `/var/lib/acmectl` for root, else the XDG state folder. */
  readonly stateFolder: string;
  /** Texts given by flag for solvers, by plugin name and option: `{ cloudflare: { ttl: "60" } }`. */
  readonly solverFlags: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Where an option's value came from, for messages: `--domains`, `ACMECTL_DOMAINS`, `config.yaml: domains`, `default`. */
  sourceOf(option: string): string;
  /**
   * For a command that runs until it is stopped: says at once, on stdout, what others need of it. With `--json` this is the
   * run's one document, on one line; with `--quiet` its verbatim blocks are shown as ever.
   */
  announce(beginning: Pick<Result, "document" | "view">): void;
  /** Register a secret so that it is masked in everything that is printed. */
  readonly mask: (secret: string) => void;
  /** The text without any secret that was registered, for what is kept. */
  readonly redact: (text: string) => string;
}

/** Returns when the person agrees, or `yes` was given. Rejects with a `usage` Problem when they do not, or there is no terminal to ask at. */
export async function confirm(
  question: string,
  yes: boolean | undefined,
  context: Pick<CommandContext, "interactive" | "ask">,
): Promise<void> {
  if (yes === true) return;
  if (!context.interactive) {
    throw new Problem("usage", {
      detail: "This needs a confirmation, and there is no terminal to ask at.",
      hint: "Add --yes.",
    });
  }
  if (/^y(es)?$/i.test((await context.ask(`${question} [y/N] `)).trim())) return;
  throw new Problem("usage", {
    detail: "Nothing was changed: the question was not answered with yes.",
  });
}
