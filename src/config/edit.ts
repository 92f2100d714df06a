/** Changes one value of a YAML file and leaves the rest as its author wrote it. */
import { isDeepStrictEqual } from "node:util";
import {
  type Document,
  isCollection,
  isMap,
  isNode,
  isScalar,
  parseDocument,
  Scalar,
  stringify,
  type ToStringOptions,
  YAMLMap,
} from "yaml";
import { Problem } from "../problem.ts";
import { parseYaml, type YamlFile, yamlOptions } from "./yaml.ts";
import { isRecord } from "../json.ts";

const writeOptions = { ...yamlOptions, lineWidth: 0 } satisfies ToStringOptions &
  typeof yamlOptions;

/** The file's text with `value` at `keys`; comments, order, quotes and line ends stay. Throws a Problem where another value would change with it. */
export function withValue(file: YamlFile, keys: readonly string[], value: unknown): string {
  const wanted = { ...file.value };
  setIn(wanted, keys, value);
  // The least intrusive way that says what is meant.
  for (const way of [replaceValue, addToFlow, addBelowKey, addLine, rewrite]) {
    const text = way(file, keys, value);
    if (text !== undefined && says(text, wanted)) return text;
  }
  throw new Problem("config", {
    detail: `${keys.join(".")} cannot be changed alone in ${file.path}: a YAML anchor or alias ties it to another value.`,
    hint: "Change it with an editor.",
  });
}

function says(text: string, wanted: object): boolean {
  try {
    return isDeepStrictEqual(parseYaml(text, "").value, wanted);
  } catch {
    return false;
  }
}

function setIn(map: Record<string, unknown>, keys: readonly string[], value: unknown): void {
  const [key = "", ...rest] = keys;
  const below = Object.hasOwn(map, key) ? map[key] : undefined;
  const copy = isRecord(below) ? { ...below } : {};
  if (rest.length > 0) setIn(copy, rest, value);
  // By definition, not by assignment, which would do something else for a key called __proto__.
  const property = { enumerable: true, configurable: true, writable: true };
  Object.defineProperty(map, key, { ...property, value: rest.length > 0 ? copy : value });
}

/** A scalar, or what is in brackets, in place of another: only its own characters change. */
function replaceValue(file: YamlFile, keys: readonly string[], value: unknown): string | undefined {
  const node = file.document.getIn(keys, true);
  const range =
    isScalar(node) || (isCollection(node) && node.flow === true) ? node.range : undefined;
  if (!range) return undefined;
  const scalar = new Scalar(value);
  const style = isScalar(node) && typeof value === "string" ? node.type : undefined;
  if (style !== undefined && style !== "PLAIN") scalar.type = style;
  const written = typeof value === "object" ? inBrackets(value) : stringify(scalar, writeOptions);
  return file.text.slice(0, range[0]) + written.trimEnd() + file.text.slice(range[1]);
}

/** A further entry in a map in braces, before the closing one. */
function addToFlow(file: YamlFile, keys: readonly string[], value: unknown): string | undefined {
  const { text, document } = file;
  const map = document.getIn(keys.slice(0, -1), true);
  if (!isMap(map) || map.flow !== true || map.items.length === 0) return undefined;
  const end = extentOf(map)?.end;
  if (end === undefined) return undefined;
  const entry = inBrackets({ [keys.at(-1) ?? ""]: value }).slice(1, -1);
  return `${text.slice(0, end)}, ${entry}${text.slice(end)}`;
}

function inBrackets(value: unknown): string {
  const style = { collectionStyle: "flow", flowCollectionPadding: false } as const;
  return stringify(value, { ...writeOptions, ...style }).trimEnd();
}

/** Lines below a key without a value, such as a section whose entries are all comments. */
function addBelowKey(file: YamlFile, keys: readonly string[], value: unknown): string | undefined {
  const { text, document, lines } = file;
  const depth = keys.findIndex((_, index) => {
    const node = document.getIn(keys.slice(0, index), true);
    return isScalar(node) && node.value === null;
  });
  const above = depth > 0 ? document.getIn(keys.slice(0, depth - 1), true) : undefined;
  const pair = isMap(above)
    ? above.items.find(({ key }) => String(key) === keys[depth - 1])
    : undefined;
  const range = rangeOf(pair?.key);
  if (range === undefined) return undefined;
  const indent = " ".repeat(lines.linePos(range[0]).col + 1);
  const entry = written(keys.slice(depth), value, indent, lineEnd(text));
  return inserted(text, endOfLine(text, range[1]), entry);
}

/** A new line, or several, below the last one of the nearest map that is there. */
function addLine(file: YamlFile, keys: readonly string[], value: unknown): string | undefined {
  const { text, document, lines } = file;
  if (document.contents === null) {
    return inserted(text, text.length, written(keys, value, "", lineEnd(text)));
  }
  const depth = keys.findLastIndex((_, index) => isMap(document.getIn(keys.slice(0, index), true)));
  const map = document.getIn(keys.slice(0, depth), true);
  const extent = isMap(map) && map.flow !== true ? extentOf(map) : undefined;
  if (extent === undefined) return undefined;
  const indent = " ".repeat(lines.linePos(extent.start).col - 1);
  const entry = written(keys.slice(depth), value, indent, lineEnd(text));
  return inserted(text, endOfLine(text, extent.end), entry);
}

function extentOf({ items }: YAMLMap): { start: number; end: number } | undefined {
  const last = items.at(-1);
  const start = rangeOf(items[0]?.key)?.[0];
  const end = (rangeOf(last?.value) ?? rangeOf(last?.key))?.[1];
  return start === undefined || end === undefined ? undefined : { start, end };
}

function rangeOf(node: unknown): readonly [start: number, end: number, after: number] | undefined {
  return (isNode(node) ? node.range : undefined) ?? undefined;
}

function inserted(text: string, at: number, entry: string): string {
  const before = text.slice(0, at);
  const gap = before === "" || before.endsWith("\n") ? "" : lineEnd(text);
  return before + gap + entry + text.slice(at);
}

function endOfLine(text: string, offset: number): number {
  if (offset > 0 && text[offset - 1] === "\n") return offset;
  const end = text.indexOf("\n", offset);
  return end === -1 ? text.length : end + 1;
}

function written(keys: readonly string[], value: unknown, indent: string, newline: string): string {
  const lines = keys.map((key, depth) => {
    const entry = depth === keys.length - 1 ? inBrackets({ [key]: value }).slice(1, -1) : undefined;
    return `${indent}${"  ".repeat(depth)}${entry ?? `${inBrackets(key)}:`}${newline}`;
  });
  return lines.join("");
}

/** Through the library's own writer, which keeps comments, order and quotes, but not every blank. */
function rewrite(file: YamlFile, keys: readonly string[], value: unknown): string | undefined {
  const document: Document = parseDocument(file.text, yamlOptions);
  // A file with nothing but `null` or `~`.
  if (!isMap(document.contents)) document.contents = new YAMLMap();
  for (const [depth] of keys.entries()) {
    const above = keys.slice(0, depth);
    if (depth > 0 && !isMap(document.getIn(above, true))) document.setIn(above, new YAMLMap());
  }
  document.setIn(keys, document.createNode(value));
  try {
    const text = document.toString({ lineWidth: 0 });
    return lineEnd(file.text) === "\n" ? text : text.replaceAll("\n", "\r\n");
  } catch {
    // The anchor of an alias would go.
    return undefined;
  }
}

function lineEnd(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}
