/** Declared options as JSON Schema (draft 2020-12), for the config's schema and for editors. */
import type { OptionDeclaration, OptionDeclarations, OptionType } from "./declaration.ts";
import { acceptedBy } from "./describe.ts";
import { formatDuration } from "./duration.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** An object whose keys are the options. None is required: the environment may give what the file leaves open. */
export function schemaOf(declarations: OptionDeclarations): JsonSchema & {
  readonly properties: Readonly<Record<string, JsonSchema>>;
} {
  const properties = Object.entries(declarations).map(
    ([option, declaration]) => [option, optionSchema(declaration)] as const,
  );
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    additionalProperties: false,
  };
}

function optionSchema(declaration: OptionDeclaration): JsonSchema {
  const { description, secret, reference, default: standard } = declaration;
  const referable = secret === true && reference !== true;
  return {
    ...shapes[declaration.type](declaration),
    description: referable
      ? `${description} The secret itself, or env:NAME, file:/path, cmd:program args.`
      : `${description} Takes ${acceptedBy(declaration)}.`,
    ...(reference === true ? { pattern: "^(env|file|cmd):" } : {}),
    ...(standard === undefined || secret === true ? {} : { default: written(declaration) }),
  };
}

const texts = { type: ["string", "number"] };

const shapes: Readonly<Record<OptionType, (declaration: OptionDeclaration) => JsonSchema>> = {
  string: ({ choices }) => (choices === undefined ? texts : { enum: choices }),
  boolean: ({ choices }) =>
    choices === undefined ? { type: "boolean" } : { enum: [true, false, ...choices] },
  integer: bounded,
  port: ({ min = 1, max = 65_535 }) => ({ type: "integer", minimum: min, maximum: max }),
  duration: () => ({ type: "string", pattern: "^(0|([0-9]+(ms|[wdhms]))+)$" }),
  url: () => ({ type: "string", format: "uri", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://" }),
  path: () => ({ type: "string", minLength: 1 }),
  list: ({ choices }) => {
    const items = choices === undefined ? texts : { enum: choices };
    return { anyOf: [{ type: "array", items }, texts] };
  },
  map: () => ({ type: "object", additionalProperties: texts }),
  json: () => ({}),
};

function bounded({ min, max }: OptionDeclaration): JsonSchema {
  return {
    type: "integer",
    minimum: min,
    maximum: max,
  };
}

/** A duration has a unit in the file. */
function written({ type, default: standard }: OptionDeclaration): unknown {
  return type === "duration" && typeof standard === "number" ? formatDuration(standard) : standard;
}
