/** Which solvers the words of a command choose. */
import type { CommandDefinition } from "../commands/command.ts";
import { variableOf } from "../options/names.ts";
import { parseValue } from "../options/value.ts";
import type { Typed } from "./flags.ts";

/** Their names, each once. The config is not read; where a command has no `--solver`, its first argument names one. */
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
  const chosen = [...given("solver").map(withoutZone), ...given("dns")];
  for (const shorthand of ["standalone", "webroot"]) {
    if (given(shorthand).length > 0) chosen.push(shorthand);
  }
  return [...new Set(chosen)].filter((name) => name !== "");
}

/** `example.com=cloudflare` → `cloudflare`; a path may hold a `=` of its own. */
function withoutZone(text: string): string {
  if (/^[./]/.test(text)) return text;
  return text.slice(text.indexOf("=") + 1);
}
