/** A command is data: its options, and one function. `program.ts` gives it to commander, `docs` and completion read it too. */
import type { Offered, OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import type { Result, StreamedResult } from "../result.ts";
import type { Context } from "../context.ts";
import { isYes } from "../options/words.ts";
import { Problem } from "../problem.ts";

export interface CommandDefinition<D extends OptionDeclarations = OptionDeclarations> {
  /** `issue`, or `account register` for a subcommand. */
  readonly name: string;
  readonly summary: string;
  /** True while no more than name and summary is known, as help lists them. */
  readonly outline?: boolean;
  /** What follows the summary in help, if anything. */
  readonly description?: string;
  readonly examples?: readonly string[];
  /** Positional arguments in commander's notation, e.g. `[name...]`, with a description. */
  readonly arguments?: readonly CommandArgument[];
  readonly options: D;
  /** True: the flags of the chosen solvers (`--cloudflare-ttl`) belong to this command. */
  readonly solverFlags?: boolean;
  /** True if failures of the run are sent to the entries of `notify` in the config. */
  notifies?(options: OptionsOf<D>): boolean;
  run(options: OptionsOf<D>, context: Context): Promise<Result | StreamedResult>;
}

export interface CommandArgument {
  readonly usage: string;
  readonly description: string;
  /** What completion offers for it: words, or what it looks up at Tab. Files when absent. */
  readonly offers?: Offered | readonly string[];
}

export function defineCommand<const D extends OptionDeclarations>(
  command: CommandDefinition<D>,
): CommandDefinition<D> {
  return command;
}

/** Returns when the person agrees, or `yes` was given. Rejects with a `usage` Problem when they do not, or there is no terminal to ask at. */
export async function confirm(
  question: string,
  yes: boolean | undefined,
  context: Pick<Context, "interactive" | "ask">,
): Promise<void> {
  if (yes === true) return;
  if (!context.interactive) {
    throw new Problem("usage", {
      detail: "This command asks for confirmation, but there is no terminal.",
      hint: "Add --yes.",
    });
  }
  if (isYes(await context.ask(`${question} [y/N]`))) return;
  throw new Problem("usage", { detail: "Nothing was changed, because the answer was not yes." });
}
