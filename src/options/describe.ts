/** What help, completion and documentation say of an option. */
import type { OptionDeclaration, OptionDeclarations, OptionType } from "./declaration.ts";
import { formatDuration } from "./duration.ts";
import { flagOf, variablesOf } from "./names.ts";

export interface OptionDescription {
  readonly name: string;
  readonly description: string;
  readonly group?: string | undefined;
  readonly hidden: boolean;
  readonly required: boolean;
  readonly secret: boolean;
  /** Absent for what has none: secrets, and structures that only the config has. */
  readonly flag?: FlagDescription | undefined;
  /** Most specific first; each is also read with `_FILE` behind it. */
  readonly variables: readonly string[];
  readonly default?: string | undefined;
  /** What it takes, as a phrase: `one of ec256, ec384`, `a duration such as 90s …`. */
  readonly accepts: string;
  readonly choices: readonly string[];
}

export interface FlagDescription {
  /** `--key-type`, or `--no-jitter` for a boolean that is true unless said otherwise. */
  readonly long: string;
  /** `-d`. */
  readonly short?: string | undefined;
  /** `TYPE`; absent for a boolean. */
  readonly placeholder?: string | undefined;
  /** Further spellings, with dashes, that help does not show. */
  readonly aliases: readonly string[];
  /** What may be written behind `=`, of a boolean that takes more than true and false. */
  readonly values?: readonly string[] | undefined;
  /** What the flag without a value stands for. */
  readonly means: boolean;
  /** The flag that says the opposite, where there is one. */
  readonly opposite?: string | undefined;
}

/** Everything that follows from the declaration of the option called `name`, of a command or of a plugin. */
export function describeOption(
  name: string,
  declaration: OptionDeclaration,
  plugin?: string,
): OptionDescription {
  const { description, group, hidden = false, required = false, secret = false } = declaration;
  return {
    name,
    description,
    hidden,
    required,
    secret,
    variables: variablesOf(name, declaration, plugin),
    accepts: acceptedBy(declaration),
    choices: declaration.type === "boolean" ? [] : (declaration.choices ?? []),
    group,
    flag: describeFlag(name, declaration, plugin),
    default: defaultOf(declaration),
  };
}

/** What values it takes, to end the sentence "it takes …". */
export function acceptedBy(declaration: OptionDeclaration): string {
  const { choices, type, reference } = declaration;
  if (reference === true)
    return "a reference to the secret: env:NAME, file:/path or cmd:program args";
  if (choices !== undefined) {
    const all = type === "boolean" ? ["true", "false", ...choices] : choices;
    return `${type === "list" ? "any" : "one"} of ${all.join(", ")}`;
  }
  const [scheme] = declaration.schemes ?? [];
  const url = scheme === undefined ? "" : `, or a ${scheme}:// URL`;
  return types[type].accepts + range(declaration) + url;
}

const types: Readonly<Record<OptionType, { accepts: string; placeholder?: string }>> = {
  string: { accepts: "text", placeholder: "TEXT" },
  boolean: { accepts: "true or false" },
  integer: { accepts: "a whole number", placeholder: "N" },
  port: { accepts: "a port number", placeholder: "PORT" },
  duration: { accepts: "a duration such as 90s, 5m, 12h or 10d", placeholder: "TIME" },
  url: { accepts: "a URL that begins with http:// or https://", placeholder: "URL" },
  path: { accepts: "the path of a file or folder", placeholder: "PATH" },
  list: { accepts: "one or more values, separated by commas", placeholder: "LIST" },
  map: { accepts: "KEY=VALUE, one or more", placeholder: "KEY=VALUE" },
  json: { accepts: "a JSON structure" },
};

function range({ type, min, max }: OptionDeclaration): string {
  if (type === "port") return ` from ${min ?? 1} to ${max ?? 65_535}`;
  const write = type === "duration" ? formatDuration : String;
  const what = type === "string" ? " of a length" : "";
  if (min !== undefined && max !== undefined) return `${what} from ${write(min)} to ${write(max)}`;
  if (min !== undefined) return `${what} not below ${write(min)}`;
  return max === undefined ? "" : `${what} up to ${write(max)}`;
}

function describeFlag(
  name: string,
  declaration: OptionDeclaration,
  plugin: string | undefined,
): FlagDescription | undefined {
  const { secret, reference, type, short, aliases = [], placeholder } = declaration;
  if ((secret === true && reference !== true) || type === "json") return undefined;
  const spelled = flagOf(name, plugin);
  const all = {
    long: spelled,
    means: true,
    aliases: aliases.map((alias) => flagOf(alias, plugin)),
    // One letter is too little for the options of a plugin: it could be a command's.
    short: short === undefined || plugin !== undefined ? undefined : `-${short}`,
  };
  return type === "boolean"
    ? { ...all, ...booleanFlag(spelled, declaration) }
    : { ...all, placeholder: placeholder ?? types[type].placeholder };
}

function booleanFlag(spelled: string, { default: standard, choices }: OptionDeclaration) {
  if (spelled.startsWith("--no-")) return {};
  const negated = spelled.replace("--", "--no-");
  if (standard === true) return { long: negated, means: false, opposite: spelled };
  return { opposite: negated, values: choices };
}

/** In words that the option itself would take; a boolean that is off needs none. */
function defaultOf({ default: value, type, secret }: OptionDeclaration): string | undefined {
  if (value === undefined || value === false || secret === true) return undefined;
  if (type === "duration" && typeof value === "number") return formatDuration(value);
  if (typeof value === "object") return value.length === 0 ? undefined : value.join(",");
  return String(value);
}

/** Every option of the plugin that help shows, in the order of its declaration. */
export function describeOptions(
  declarations: OptionDeclarations,
  plugin: string,
): readonly OptionDescription[] {
  return Object.entries(declarations)
    .map(([name, declaration]) => describeOption(name, declaration, plugin))
    .filter(({ hidden }) => !hidden);
}
