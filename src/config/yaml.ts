/** A YAML file with the places of its values, so that messages can point at them. */
import {
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  type Tags,
  visit,
} from "yaml";
import { Problem } from "../problem.ts";
import { isRecord } from "../json.ts";
import { messageOf } from "../errors.ts";
import { keepHeapSmall } from "../small-heap.ts";

export type Keys = readonly (string | number)[];

export interface Fault {
  readonly keys: Keys;
  /** A sentence without its place. */
  readonly message: string;
  readonly hint?: string | undefined;
  /** True when something is missing that may still come; nothing that is written is wrong. */
  readonly incomplete?: boolean | undefined;
}

export interface YamlFile {
  readonly path: string;
  readonly text: string;
  /** A map, an empty one for an empty file. */
  readonly value: Readonly<Record<string, unknown>>;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** Numbers stay the texts that they were written as: an account id may begin with a zero. The options' types read them. */
export const yamlOptions = {
  // Its warnings would go to stderr, with parts of the file.
  logLevel: "error" as const,
  customTags: (tags: Tags): Tags =>
    tags.filter((tag) => typeof tag === "string" || !/:(int|float)$/.test(tag.tag)),
};

/** Reads one YAML document that is a map. Throws a Problem with line, column and an excerpt where it is none. */
export function parseYaml(text: string, path: string): YamlFile {
  if (text.length > large) keepHeapSmall();
  const lines = new LineCounter();
  const document: Document = parseDocument(text, {
    ...yamlOptions,
    lineCounter: lines,
    prettyErrors: false,
    // It would compare each key with all before it: half of the time that ten thousand certificates take.
    uniqueKeys: false,
  });
  const source = { path, text, lines };
  const error = document.errors[0] ?? document.warnings[0];
  if (error !== undefined) {
    if (error.code !== "MULTIPLE_DOCS") throw syntaxProblem(error.message, error.pos[0], source);
    const hint = "Remove the line `---` or `...` and keep all sections in one YAML document.";
    throw syntaxProblem("A second YAML document begins here", error.pos[0], source, hint);
  }
  const lost = lostAlias(document);
  if (lost !== undefined) throw syntaxProblem("No anchor has this name", lost, source);
  const wrong = wrongKey(document);
  if (wrong !== undefined) throw syntaxProblem(wrong.message, wrong.offset, source);
  const value = valueOf(document, path);
  if (!isRecord(value)) {
    throw new Problem("config", {
      detail: `${path} does not consist of sections.`,
      hint: "Begin it with a section such as `issuers:`; `acmectl config init` writes an example.",
    });
  }
  return { ...source, value, document };
}

/** Characters: of a few hundred certificates. */
const large = 50_000;

/** All faults as one Problem; a single one is shown with its line. */
export function faultsProblem(file: YamlFile, faults: readonly Fault[]): Problem {
  const [first] = faults;
  if (faults.length === 1 && first !== undefined) {
    const offset = offsetOf(file.document, first.keys);
    return new Problem("config", {
      detail: `${placeAt(file, offset)}: ${first.message}\n${excerpt(file, offset)}`,
      hint: first.hint,
    });
  }
  const hints = new Set(faults.flatMap(({ hint }) => hint ?? []));
  return new Problem("config", {
    detail: `${file.path} has ${faults.length} mistakes.`,
    hint: hints.size === 0 ? undefined : [...hints].join(" "),
    subproblems: faults.map(({ keys, message }) => ({
      type: "urn:acmectl:problem:config",
      title: placeAt(file, offsetOf(file.document, keys)),
      detail: message,
    })),
  });
}

/** A mistake that is found after the file was read. What a certificate does not say itself is of the defaults. */
export function laterMistake(file: YamlFile, fault: Fault): Problem {
  const { keys } = fault;
  const inherited = ["defaults", ...keys.slice(2)];
  const isInherited =
    keys[0] === "certificates" &&
    !file.document.hasIn(keys.slice(0, 3)) &&
    file.document.hasIn(inherited.slice(0, 2));
  return faultsProblem(file, [isInherited ? { ...fault, keys: inherited } : fault]);
}

function valueOf(document: Document, path: string): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 });
    return value ?? {};
  } catch (error) {
    throw new Problem("config", { detail: `${path}: ${messageOf(error)}.`, cause: error });
  }
}

/** Where the first alias without an anchor begins: mostly a wildcard name that was not quoted. */
function lostAlias(document: Document): number | undefined {
  let lost: number | undefined;
  visit(document, {
    Alias(_, alias) {
      if (alias.resolve(document) !== undefined) return undefined;
      lost = alias.range?.[0] ?? 0;
      return visit.BREAK;
    },
  });
  return lost;
}

/** The first key that a map has already, or that is itself a map or list. Written as text, nested ones would fill the memory. */
function wrongKey(document: Document) {
  let wrong: { readonly message: string; readonly offset: number } | undefined;
  visit(document, {
    Map(_, { items }) {
      const known = new Set<unknown>();
      for (const { key } of items) {
        const [value, offset] = [isScalar(key) ? key.value : key, startOf(key) ?? 0];
        if (known.has(value)) wrong = { message: "Map keys must be unique", offset };
        if (key !== null && !isScalar(key)) wrong = { message: "A key must be a text", offset };
        if (wrong !== undefined) return visit.BREAK;
        known.add(value);
      }
      return undefined;
    },
  });
  return wrong;
}

function syntaxProblem(
  message: string,
  offset: number,
  source: Pick<YamlFile, "path" | "text" | "lines">,
  hint = syntaxHint(source.text, offset),
): Problem {
  return new Problem("config", {
    title: "The config file is not valid YAML",
    detail: `${placeAt(source, offset)}: ${message}\n${excerpt(source, offset)}`,
    hint,
  });
}

function syntaxHint(text: string, offset: number): string {
  if (text[offset] === "*") return 'Quote a name that begins with *: "*.example.com".';
  return "Fix the line; `acmectl config validate` checks the file.";
}

/** `/etc/acmectl/config.yaml:3:5` */
function placeAt({ path, lines }: Pick<YamlFile, "path" | "lines">, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${path}:${line}:${col}`;
}

function excerpt({ text, lines }: Pick<YamlFile, "text" | "lines">, offset: number): string {
  const { line, col } = lines.linePos(offset);
  const all = text.split(/\r\n|\n/u).slice(0, line);
  const content = all.at(-1) ?? "";
  const isOutside = (one: string) => one.trim() !== "" && one.search(/\S/u) < content.search(/\S/u);
  const number = `  ${line} | `;
  return `${number}${withoutSecrets(content, all.findLast(isOutside) ?? "")}\n${" ".repeat(number.length + col - 1)}^`;
}

/** A line that is quoted in a message may contain a secret. `secret` and `keys` of a step `kubernetes` are only names. */
function withoutSecrets(line: string, outside: string): string {
  const step = /\bkubernetes["']?\s*:\s*$/u.test(outside) ? "kubernetes: {" : "";
  return (step + line).replace(secretValue, "$1***").slice(step.length);
}

const secretValue =
  /((?:secret|token|password|hmac|key(?!types?\b)|credential)\w*(?<!\bkubernetes["']?\s*:\s*\{[^}]*\b(?:secret|keys))["']?\s*:\s*)(?!["']?(?:env|file|cmd):)\S.*$/iu;

/** Where the key of a value begins; of the nearest thing above it where the file does not have it. */
function offsetOf(document: Document, keys: Keys): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of keys) {
    if (isMap(node)) {
      const pair: Pair | undefined = node.items.find(
        (item) => isPair(item) && String(item.key) === String(key),
      );
      offset = startOf(pair?.key) ?? offset;
      node = pair?.value;
    } else if (isSeq(node)) {
      node = node.items[Number(key)];
      offset = startOf(node) ?? offset;
    }
  }
  return offset;
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
