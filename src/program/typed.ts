/** What was typed, before any value is read from it. */
import type { CommandDefinition } from "../commands/command.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { globalOptions } from "../options/declared/global.ts";
import { describeOption } from "../options/describe.ts";
import { variableOf } from "../options/names.ts";
import { parseValue } from "../options/value.ts";

/** By option: true or false for a boolean, a text, or all texts of an option that was given several times or is a list or map. */
export type Flags = Record<string, unknown>;

/** The words and flags after a command's name. */
export interface Typed {
  readonly args: readonly string[];
  readonly flags: Readonly<Flags>;
  readonly globalFlags: Readonly<Flags>;
  /** By plugin. */
  readonly solverFlags: Readonly<Record<string, Readonly<Flags>>>;
}

/** The words before the first flag of a command. Global flags are skipped, with their values. */
export function firstWords(argv: readonly string[]): readonly string[] {
  const withValue = new Set(
    Object.entries(globalOptions).flatMap(([name, declaration]) => {
      const { flag } = describeOption(name, declaration);
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

/** The options by which solvers are chosen; all of them where an argument names one. */
export function choosingOptions({ options }: CommandDefinition): OptionDeclarations {
  if (options["solver"] === undefined) return options;
  const choosing = ["solver", "dns", ...Object.keys(shorthands)];
  return Object.fromEntries(Object.entries(options).filter(([name]) => choosing.includes(name)));
}

/** Options that choose a solver, and which. */
const shorthands = { standalone: "standalone", tlsAlpn: "tls-alpn", webroot: "webroot" };

/** The solvers that a command line names. The config is not read; where a command has no `--solver`, its first argument names one. */
export function chosenSolvers(
  { options }: CommandDefinition,
  { flags, args }: Typed,
  env: Readonly<Record<string, string | undefined>>,
): readonly string[] {
  if (options["solver"] === undefined)
    return args.slice(0, 1).filter((name) => !name.startsWith("-"));
  const given = (option: string): readonly string[] => {
    const declaration = options[option];
    const raw = flags[option] ?? env[variableOf(option)];
    if (declaration === undefined || raw === undefined) return [];
    const parsed = parseValue(declaration, raw, { folder: "/" });
    if ("wrong" in parsed || parsed.value === false) return [];
    return Array.isArray(parsed.value) ? parsed.value.map(String) : [String(parsed.value)];
  };
  const short = Object.entries(shorthands).flatMap(([option, solver]) =>
    given(option).length > 0 ? [solver] : [],
  );
  const chosen = [...given("solver").map(withoutZone), ...given("dns"), ...short];
  return [...new Set(chosen)].filter((name) => name !== "");
}

/** `example.com=cloudflare` → `cloudflare`; a path may have a `=` of its own. */
function withoutZone(text: string): string {
  return /^[./]/.test(text) ? text : text.slice(text.indexOf("=") + 1);
}
