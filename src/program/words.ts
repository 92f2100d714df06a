/** Which command is meant, before any command is loaded. */
import { describeOption } from "../options/describe.ts";
import { globalOptions } from "../options/declared/global.ts";

/** The words that stand before the first flag of a command: flags of every command are passed over, with their values. */
export function firstWords(argv: readonly string[]): readonly string[] {
  const withValue = new Set(
    Object.entries(globalOptions).flatMap(([name, declaration]) => {
      const flag = describeOption(name, declaration).flag;
      return flag?.placeholder === undefined ? [] : [flag.long, flag.short];
    }),
  );
  const words: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (word === "--") break;
    if (withValue.has(word)) at += 1;
    else if (!word.startsWith("-")) words.push(word);
  }
  return words;
}
