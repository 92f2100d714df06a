import { Problem } from "../../problem.ts";
import type { CommandContext } from "../command.ts";

/** Ask, unless `yes` was given, and return when the answer is yes; a Problem when it is not, or when nobody can be asked. */
export async function confirm(
  question: string,
  yes: boolean | undefined,
  context: Pick<CommandContext, "interactive" | "ask">,
): Promise<void> {
  if (yes === true) return;
  if (!context.interactive) {
    throw new Problem("usage", {
      detail: "Nobody can be asked whether to go on.",
      hint: "Add --yes.",
    });
  }
  if (/^y(es)?$/i.test((await context.ask(`${question} [y/N] `)).trim())) return;
  throw new Problem("usage", {
    detail: "Nothing was done: the question was not answered with yes.",
  });
}
