/**
 * An option is declared once. Flag, environment variable, config key, TypeScript type, help, documentation, JSON Schema
 * and masking all follow from the declaration.
 */

/**
 * How the text of an option is read.
 * `duration` is written as `90s`, `5m`, `12h`, `10d` and arrives in milliseconds; `path` is made absolute against the
 * working directory (in the config: against the folder of the file); `list` is repeated or comma-separated;
 * `map` is written `KEY=VALUE`, repeated; `json` is any structure, for the config only.
 */
export type OptionType =
  | "string"
  | "boolean"
  | "integer"
  | "port"
  | "duration"
  | "url"
  | "path"
  | "list"
  | "map"
  | "json";

/** What completion looks up: names of certificates, CAs, solvers and notifiers, keys of the config. */
export const offered = ["certificates", "servers", "solvers", "notifiers", "keys"] as const;
export type Offered = (typeof offered)[number];

export interface OptionDeclaration {
  type: OptionType;
  /**
   * One sentence: meaning, unit, and where the value comes from. Of a boolean it begins with a verb, since the help of one
   * that is on says `Do not` before it.
   */
  description: string;
  required?: boolean;
  /** In the option's own type; a secret has none. */
  default?: string | number | boolean | readonly string[];
  /** Gets no flag, accepts `env:`, `file:` and `cmd:` references, and is masked in every output. */
  secret?: boolean;
  /**
   * The value is a reference to a secret (`env:`, `file:`, `cmd:`) and stays one, so that it may be given by flag and
   * remembered; a secret found in a variable arrives as `env:` and the variable's name. Read it with `readSecret`.
   */
  reference?: boolean;
  /** Of a boolean: what it takes beside true and false, written behind `=`. */
  choices?: readonly string[];
  /** Further environment variables, those that the provider's users already have, most specific first. */
  env?: readonly string[];
  /** What completion offers as its value, looked up at Tab. */
  offers?: Offered;
  /** The letter of the short flag, without the dash. */
  short?: string;
  /** Other spellings of the flag, without dashes; accepted but not shown in help. */
  aliases?: readonly string[];
  /** The name of the value in help, e.g. `URL`. */
  placeholder?: string;
  /** Of a path: PEM text may be given in its place. */
  pem?: boolean;
  /** Of a path: a URL of one of these schemes may be given in its place. */
  schemes?: readonly string[];
  min?: number;
  max?: number;
  hidden?: boolean;
  /** For a `list`: commas belong to the elements, as in commands; only repetition makes several. */
  verbatim?: boolean;
  /** A heading in help under which the option is listed. */
  group?: string;
}

export type OptionDeclarations = Readonly<Record<string, OptionDeclaration>>;

type Plain<D extends OptionDeclaration> = D extends { type: "boolean" }
  ? boolean | (D extends { choices: readonly (infer C extends string)[] } ? C : never)
  : D extends { type: "integer" | "port" | "duration" }
    ? number
    : D extends { type: "list" }
      ? readonly string[]
      : D extends { type: "map" }
        ? Readonly<Record<string, string>>
        : D extends { type: "json" }
          ? unknown
          : D extends { choices: readonly (infer C extends string)[] }
            ? C
            : string;

type Missing<D extends OptionDeclaration> = D extends
  | { required: true }
  | { default: NonNullable<unknown> }
  ? never
  : undefined;

/** The values that a set of declarations yields: `number` for a duration, a union for choices, `undefined` where absent. */
export type OptionsOf<D extends OptionDeclarations> = {
  readonly [K in keyof D]: Plain<D[K]> | Missing<D[K]>;
};

/** The option of a file. */
export const file = (description: string) =>
  ({ type: "path", description, placeholder: "FILE" }) as const;

/** The same options, under one heading in help. */
export function under<const D extends OptionDeclarations>(group: string, declarations: D): D;
export function under(group: string, declarations: OptionDeclarations): OptionDeclarations {
  const grouped = Object.entries(declarations).map(([name, one]) => [name, { ...one, group }]);
  return Object.fromEntries(grouped);
}
