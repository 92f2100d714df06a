import type { OptionDeclaration, OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { requestFlags } from "../options/declared/request.ts";
import { formatDuration } from "../options/duration.ts";
import { flagOf } from "../options/names.ts";
import { quotedWord } from "../options/words.ts";

export type Flags = OptionsOf<typeof requestFlags>;
export type GivenFlags = Partial<Flags>;
/** By plugin and option. */
export type SolverFlags = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/** `acmectl issue …` as it is typed in a shell. */
export function issueLine(flags: GivenFlags, solverFlags: SolverFlags): string {
  const known: Readonly<Record<string, unknown>> = flags;
  const declared: OptionDeclarations = requestFlags;
  const own = Object.entries(declared).flatMap(([option, declaration]) =>
    known[option] === undefined ? [] : wordsOf(spelled(option), known[option], declaration),
  );
  const solvers = Object.entries(solverFlags).flatMap(([plugin, options]) =>
    Object.entries(options).flatMap(([option, value]) =>
      wordsOf(flagOf(option, plugin), value, undefined),
    ),
  );
  return ["acmectl", "issue", ...own, ...solvers].map(quotedWord).join(" ");
}

/** Those that most people know by their letter. */
function spelled(option: string): string {
  return { domains: "-d", email: "-m" }[option] ?? flagOf(option);
}

function wordsOf(
  flag: string,
  value: unknown,
  declaration: OptionDeclaration | undefined,
): readonly string[] {
  if (value === declaration?.default) return [];
  if (typeof value === "boolean") return [value ? flag : flag.replace(/^--/u, "--no-")];
  if (typeof value === "object") return manifold(flag, value ?? {}, declaration?.verbatim === true);
  if (typeof value === "number")
    return [flag, declaration?.type === "duration" ? formatDuration(value) : String(value)];
  return typeof value === "string" ? [flag, value] : [];
}

/** A list is written with commas unless they belong to its elements; a map is repeated. */
function manifold(flag: string, value: object, isVerbatim: boolean): readonly string[] {
  if (!Array.isArray(value))
    return Object.entries(value).flatMap(([key, text]) => [flag, `${key}=${String(text)}`]);
  const texts = value.map(String);
  return isVerbatim ? texts.flatMap((text) => [flag, text]) : [flag, texts.join(",")];
}
