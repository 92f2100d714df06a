/** The JSON Schema of the config file, from the declarations, for editors. */
import { solverCommonOptions } from "./config.ts";
import type { OptionDeclaration, OptionDeclarations, OptionType } from "../options/declaration.ts";
import { acceptedBy } from "../options/describe.ts";
import { durationPattern, formatDuration } from "../options/duration.ts";
import { topOptions } from "../options/declared/state.ts";
import { type NestedShape, sections, type Shape } from "./sections.ts";

type JsonSchema = Readonly<Record<string, unknown>>;

/** `plugins`: the options of each built-in solver, by its name. Other plugins' options are left open. */
export function configSchema(plugins: Readonly<Record<string, OptionDeclarations>>): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Configuration of acmectl",
    type: ["object", "null"],
    properties: {
      ...schemaOf(topOptions).properties,
      ...Object.fromEntries(
        Object.entries(sections).map(([name, { description, entries, shape }]) => {
          const of = name === "solvers" ? solverSchema(plugins) : oneOfSchema(shape);
          const schema = entries ? { propertyNames, additionalProperties: of } : of;
          return [name, { ...schema, description, type: ["object", "null"] }];
        }),
      ),
    },
    additionalProperties: false,
  };
}

const propertyNames = { pattern: "^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$" };

function shapeSchema({ options, nested = {} }: Shape): JsonSchema {
  const schema = schemaOf(options);
  const below = Object.entries(nested).map(
    ([option, shape]) => [option, nestedSchema(shape, options[option]?.description ?? "")] as const,
  );
  const { run } = options;
  const commands = run === undefined ? {} : { run: commandSchema(run) };
  const required = Object.keys(options).filter((option) => options[option]?.required === true);
  return {
    ...schema,
    properties: { ...schema.properties, ...Object.fromEntries(below), ...commands },
    required: required.length === 0 ? undefined : required,
  };
}

function commandSchema({ description }: OptionDeclaration): JsonSchema {
  const words = { type: "array", items: { type: "string" }, minItems: 1 };
  return { description, anyOf: [{ type: "string", minLength: 1 }, words] };
}

function nestedSchema(shape: NestedShape, description: string): JsonSchema {
  const one = oneOfSchema(shape);
  const short = shape.shorthand === undefined ? one : { anyOf: [{ type: "string" }, one] };
  if (shape.list !== true) return { description, ...short };
  return { description, anyOf: [{ type: "array", items: short }, short] };
}

function oneOfSchema(shape: Shape & Pick<NestedShape, "oneOf">): JsonSchema {
  return {
    ...shapeSchema(shape),
    oneOf: shape.oneOf?.map((option) => ({ required: [option] })),
  };
}

function solverSchema(plugins: Readonly<Record<string, OptionDeclarations>>): JsonSchema {
  const { additionalProperties: _closed, ...open } = shapeSchema(sections.solvers.shape);
  return {
    ...open,
    type: "object",
    allOf: Object.entries(plugins).map(([name, options]) => {
      const used = { properties: { use: { const: name } }, required: ["use"] };
      // Written without `then`, which would look like a promise.
      return { anyOf: [{ not: used }, pluginSchema(options)] };
    }),
  };
}

function pluginSchema(options: OptionDeclarations): JsonSchema {
  const common = Object.fromEntries(Object.keys(solverCommonOptions).map((key) => [key, true]));
  const schema = schemaOf(options);
  return { ...schema, properties: { ...common, ...schema.properties } };
}

/** An object whose keys are the options. None is required: the environment may give what the file leaves open. */
export function schemaOf(
  declarations: OptionDeclarations,
): JsonSchema & { readonly properties: Readonly<Record<string, JsonSchema>> } {
  const properties = Object.entries(declarations).map(
    ([option, declaration]) => [option, optionSchema(declaration)] as const,
  );
  const known = Object.fromEntries(properties);
  return { type: "object", properties: known, additionalProperties: false };
}

function optionSchema(declaration: OptionDeclaration): JsonSchema {
  const { type, description, secret, reference, default: standard } = declaration;
  const referable = secret === true && reference !== true;
  const shape = shapes[type](declaration);
  // A duration has a unit in the file.
  const isTime = type === "duration" && typeof standard === "number";
  const written = isTime ? formatDuration(standard) : standard;
  const pattern = "^(env|file|cmd):";
  if (reference === true && type === "list") {
    const items = { type: "string", pattern };
    return { description, anyOf: [{ type: "array", items }, items] };
  }
  return {
    ...shape,
    description: referable
      ? `${description} The secret itself, or env:NAME, file:/path, cmd:program args.`
      : `${description} Takes ${acceptedBy(declaration)}.`,
    pattern: reference === true ? pattern : shape["pattern"],
    default: secret === true ? undefined : written,
  };
}

const texts = { type: ["string", "number"] };

const shapes: Readonly<Record<OptionType, (declaration: OptionDeclaration) => JsonSchema>> = {
  string: ({ choices }) => (choices === undefined ? texts : { enum: choices }),
  boolean: ({ choices }) =>
    choices === undefined ? { type: "boolean" } : { enum: [true, false, ...choices] },
  integer: ({ min, max }) => ({ type: "integer", minimum: min, maximum: max }),
  port: ({ min = 1, max = 65_535 }) => ({ type: "integer", minimum: min, maximum: max }),
  duration: () => ({ type: "string", pattern: durationPattern }),
  url: () => ({ type: "string", format: "uri", pattern: "^[Hh][Tt][Tt][Pp][Ss]?://" }),
  path: () => ({ type: "string", minLength: 1 }),
  list: ({ choices }) => {
    const items = choices === undefined ? texts : { enum: choices };
    return { anyOf: [{ type: "array", items }, texts] };
  },
  map: () => ({ type: "object", additionalProperties: texts }),
  json: () => ({}),
};
