/** Checks a config file against the declared options. */
import type { OptionDeclaration, OptionDeclarations } from "../options/declaration.ts";
import { acceptedBy } from "../options/describe.ts";
import { nearest } from "../options/near.ts";
import { absoluteReference, isReference } from "../options/secret.ts";
import { topOptions } from "../options/declared/state.ts";
import { parseValue } from "../options/value.ts";
import { crossFaults, stepFault } from "./rules.ts";
import {
  isSection,
  type NestedShape,
  type SectionName,
  sections,
  type Sections,
  type Shape,
} from "./sections.ts";
import { type Fault, type Keys, type YamlFile } from "./yaml.ts";
import { isRecord } from "../json.ts";

interface Reading {
  /** What relative paths are relative to; absolute. */
  readonly folder: string;
  readonly faults: Fault[];
  /** By the name of the solver. */
  readonly plugins: ReadonlyMap<string, OptionDeclarations>;
}

/** Every value as its option's type says, and every fault. Options of solvers are checked where their plugins' are known. */
export function readSections(
  file: Pick<YamlFile, "value">,
  folder: string,
  plugins: ReadonlyMap<string, OptionDeclarations>,
): { sections: Sections; faults: readonly Fault[] } {
  const reading: Reading = { folder, faults: [], plugins };
  const unknown = Object.keys(file.value).filter((key) => !isSection(key) && !isOption(key));
  const known = [...Object.keys(sections), ...Object.keys(topOptions)];
  const options = Object.entries(file.value).filter(([key]) => isOption(key));
  reading.faults.push(...unknown.map((key) => unknownKey([key], known, "the file")));
  const read = (name: SectionName) => readSection(name, file.value[name], reading);
  const values: Sections = {
    issuers: read("issuers"),
    solvers: read("solvers"),
    certificates: read("certificates"),
    defaults: read("defaults"),
    dns: read("dns"),
    notify: read("notify"),
    pull: read("pull"),
    state: readShape(Object.fromEntries(options), [], { options: topOptions }, reading),
  };
  reading.faults.push(...crossFaults(values));
  return { sections: values, faults: reading.faults };
}

const isOption = (key: string) => Object.hasOwn(topOptions, key);

function readSection(name: SectionName, raw: unknown, reading: Reading): Record<string, unknown> {
  const { entries, shape } = sections[name];
  const given = raw ?? {};
  if (!entries) return readShape(given, [name], shape, reading);
  if (!isRecord(given)) {
    reading.faults.push({ keys: [name], message: `${name} must hold named entries.` });
    return {};
  }
  const read = Object.entries(given).map(([entry, value]) => {
    const keys = [name, entry];
    const message = `${quoted(entry)} is not a valid name: use letters, digits, ".", "_" and "-".`;
    if (!/^[A-Za-z0-9][\w.-]{0,127}$/u.test(entry)) reading.faults.push({ keys, message });
    const read = readShape(value ?? {}, keys, shape, reading);
    const fault = isRecord(value) ? stepFault(keys.join("."), value, shape) : undefined;
    if (fault !== undefined) reading.faults.push({ keys, ...fault });
    return [entry, read] as const;
  });
  return Object.fromEntries(read);
}

function readShape(
  raw: unknown,
  keys: Keys,
  shape: Shape,
  reading: Reading,
): Record<string, unknown> {
  if (!isRecord(raw)) {
    const message = `${keys.join(".")} must hold options, as in \`{ ${Object.keys(shape.options)[0]}: … }\`.`;
    reading.faults.push({ keys, message });
    return {};
  }
  const values: Record<string, unknown> = {};
  const others: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(raw)) {
    const own = declarationOf(shape.options, key);
    const target = own === undefined && shape.open === true ? others : values;
    const read = readOption(value, [...keys, key], shape, own, reading);
    if (read !== undefined) Object.defineProperty(target, key, { value: read, enumerable: true });
  }
  for (const [key, { required }] of Object.entries(shape.options)) {
    const message = `${keys.join(".")} requires ${quoted(key)}.`;
    if (required === true && !Object.hasOwn(raw, key))
      reading.faults.push({ keys, message, incomplete: true });
  }
  return shape.open === true ? { ...values, options: others } : values;
}

function readOption(
  raw: unknown,
  keys: Keys,
  shape: Shape,
  own: OptionDeclaration | undefined,
  reading: Reading,
): unknown {
  const key = String(keys.at(-1));
  const { nested: shapes = {} } = shape;
  const nested = Object.hasOwn(shapes, key) ? shapes[key] : undefined;
  if (nested !== undefined) return readNested(raw, keys, nested, reading);
  // A structure is read as it is; `run` is checked with its hook.
  if (own?.type === "json") return raw;
  if (own !== undefined) return readValue(raw, keys, own, reading);
  const parent = keys.slice(0, -1).join(".");
  const plugin = shape.open === true ? reading.plugins.get(String(keys.at(-2))) : {};
  // The plugin is not loaded here; its options are checked when it is.
  if (plugin === undefined) return raw;
  const declaration = declarationOf(plugin, key);
  const known = [...Object.keys(shape.options), ...Object.keys(plugin)];
  if (declaration === undefined) reading.faults.push(unknownKey(keys, known, parent));
  else readValue(raw, keys, declaration, reading);
  return raw;
}

function declarationOf(options: OptionDeclarations, key: string): OptionDeclaration | undefined {
  return Object.hasOwn(options, key) ? options[key] : undefined;
}

function readNested(raw: unknown, keys: Keys, shape: NestedShape, reading: Reading): unknown {
  const given = raw ?? {};
  const one = (value: unknown, keys: Keys) => {
    const { shorthand } = shape;
    const short = shorthand !== undefined && typeof value === "string";
    const read = readShape(short ? { [shorthand]: value } : value, keys, shape, reading);
    const fault = stepFault(keys.join("."), isRecord(value) ? value : read, shape);
    if (fault !== undefined) reading.faults.push({ keys, ...fault });
    return read;
  };
  if (shape.list !== true) return one(given, keys);
  if (raw === null) return [];
  return Array.isArray(given)
    ? given.map((value: unknown, index) => one(value, [...keys, index]))
    : [one(given, keys)];
}

function readValue(
  raw: unknown,
  keys: Keys,
  declaration: OptionDeclaration,
  reading: Reading,
): unknown {
  const { faults, folder } = reading;
  const name = keys.join(".");
  if (declaration.reference === true && Array.isArray(raw))
    return raw.map((one: unknown, index) => readValue(one, [...keys, index], declaration, reading));
  if (typeof raw === "string" && (declaration.secret === true || declaration.reference === true)) {
    if (isReference(raw)) {
      const reference = absoluteReference(raw, folder);
      return declaration.type === "list" && typeof keys.at(-1) === "string"
        ? [reference]
        : reference;
    }
    if (declaration.reference === true) {
      const message = `${name} must be a reference to the secret, not the secret itself.`;
      faults.push({ keys, message, hint: "Write env:NAME, file:/path or cmd:program args." });
      return undefined;
    }
  }
  const parsed = parseValue(declaration, raw, { folder });
  if ("value" in parsed) return withReferences(parsed.value, declaration, folder);
  const wrong = `${name}${shown(raw, declaration)} ${parsed.wrong}`;
  faults.push({ keys, message: `${wrong}: it takes ${acceptedBy(declaration)}.` });
  return undefined;
}

/** References in a map become true from any folder. */
function withReferences(
  value: unknown,
  { type, reference, secret }: OptionDeclaration,
  folder: string,
): unknown {
  const isOfReferences = type === "map" && (reference === true || secret === true);
  if (!isOfReferences || !isRecord(value)) return value;
  const entries = Object.entries(value);
  return Object.fromEntries(
    entries.map(([key, one]) => [key, absoluteReference(String(one), folder)]),
  );
}

function shown(raw: unknown, { secret }: OptionDeclaration): string {
  const scalar = typeof raw === "string" || typeof raw === "boolean";
  return secret === true || !scalar || raw === "" ? "" : ` is ${JSON.stringify(raw)}, which`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

function unknownKey(keys: Keys, known: readonly string[], parent: string): Fault {
  const key = String(keys.at(-1));
  const near = nearest(key, known);
  const meant = near === undefined ? "" : ` Did you mean ${quoted(near)}?`;
  return {
    keys,
    message: `${quoted(key)} is not an option of ${parent}.${meant}`,
    hint: `Use one of ${known.join(", ")}.`,
  };
}
