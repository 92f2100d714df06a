/** From what was written (a flag's texts, a variable, a value of the config) to the value that a declaration promises. */
import { homedir } from "node:os";
import { resolve } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { parseJson } from "../json.ts";
import type { OptionDeclaration, OptionType } from "./declaration.ts";
import { parseDuration } from "./duration.ts";

/** The value, or what is wrong with what was written, as the predicate of a sentence. */
export type Parsed = { readonly value: unknown } | { readonly wrong: string };

export interface Place {
  /** What a relative path is relative to; absolute. */
  readonly folder: string;
  /** What `~/` stands for. */
  readonly home?: string | undefined;
}

/** Reads one value as its declaration says. Several texts for an option that takes one must agree. */
export function parseValue(declaration: OptionDeclaration, raw: unknown, place: Place): Parsed {
  if (raw === null || raw === "") return { wrong: "is empty" };
  const manifold = declaration.type === "list" || declaration.type === "map";
  if (Array.isArray(raw) && !manifold && declaration.type !== "json") {
    const [first, ...others]: unknown[] = raw;
    if (first === undefined || others.some((other) => !isDeepStrictEqual(other, first))) {
      return { wrong: "has more than one value" };
    }
    return parseValue(declaration, first, place);
  }
  return readers[declaration.type](raw, declaration, place);
}

type Reader = (raw: unknown, declaration: OptionDeclaration, place: Place) => Parsed;

const readers: Record<OptionType, Reader> = {
  string: (raw, declaration) => {
    const text = textOf(raw);
    if (text === undefined) return { wrong: "is not text" };
    return chosen(declaration.secret === true ? text : bare(text), declaration);
  },
  boolean: (raw, declaration) => {
    const text = bare(String(raw)).toLowerCase();
    const value = typeof raw === "boolean" ? raw : truths.get(text);
    if (value !== undefined) return { value };
    if (declaration.choices !== undefined) return chosen(text, declaration);
    return { wrong: "is neither true nor false" };
  },
  integer: (raw, { min, max }) => within(wholeNumber(raw), "is not a whole number", min, max),
  port: (raw, { min = 1, max = 65_535 }) =>
    within(wholeNumber(raw), "is not a port number", min, max),
  duration: (raw, { min, max }) =>
    within(parseDuration(bare(textOf(raw) ?? "")), "is not a duration", min, max),
  url: (raw) => {
    const text = bare(textOf(raw) ?? "");
    const url = URL.parse(text);
    const web = url?.protocol === "http:" || url?.protocol === "https:";
    return web && /^https?:\/\//i.test(text) ? { value: text } : { wrong: "is not a web address" };
  },
  path: (raw, { pem, schemes = [] }, { folder, home }) => {
    const text = typeof raw === "string" ? bare(raw) : "";
    const url = urlOf(text, schemes);
    if (url !== undefined) return url;
    if (pem === true && text.startsWith("-----BEGIN ")) return { value: text };
    if (text === "" || text.includes("\0")) return { wrong: "is not a path" };
    if (!/^~(\/|$)/.test(text)) return { value: resolve(folder, text) };
    const base = home ?? homeOfUser();
    if (base === undefined) return { wrong: "begins with ~, and this user has no home directory" };
    return { value: resolve(folder, base + text.slice(1)) };
  },
  list: readList,
  map: readMap,
  json: (raw) => {
    const value = typeof raw === "string" ? parseJson(raw) : raw;
    return value === undefined ? { wrong: "is not JSON" } : { value };
  },
};

/** Undefined for a path. */
function urlOf(text: string, schemes: readonly string[]): Parsed | undefined {
  const scheme = schemes.length === 0 ? undefined : /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme === undefined) return undefined;
  const isOne = schemes.includes(scheme.toLowerCase());
  return isOne ? { value: text } : { wrong: "is a URL of another kind" };
}

function homeOfUser(): string | undefined {
  try {
    return homedir();
  } catch {
    // Without HOME and a passwd entry, as in a container with a random user id.
    return undefined;
  }
}

const truths = new Map([
  ...["true", "yes", "on", "1"].map((text) => [text, true] as const),
  ...["false", "no", "off", "0"].map((text) => [text, false] as const),
]);

function readList(raw: unknown, declaration: OptionDeclaration): Parsed {
  const written: unknown[] = Array.isArray(raw) ? raw : [raw];
  const verbatim = declaration.verbatim === true || declaration.secret === true;
  const elements = written.flatMap((one) => {
    const text = textOf(one);
    if (text === undefined || declaration.verbatim === true) return [text];
    return (verbatim ? text : bare(text)).split(/[,\n]/);
  });
  const value: string[] = [];
  if (elements.length > 0 && elements.every((element) => element?.trim() === "")) {
    return { wrong: "is empty" };
  }
  for (const element of elements) {
    if (element === undefined) return { wrong: "holds something that is not text" };
    const text = verbatim ? element.trim() : bare(element);
    if (text === "") return { wrong: "has an empty element" };
    const one = chosen(text, declaration);
    if ("wrong" in one) return { wrong: `has ${JSON.stringify(text)}, which ${one.wrong}` };
    value.push(String(one.value));
  }
  return { value };
}

function readMap(raw: unknown): Parsed {
  const entries =
    typeof raw === "object" && !Array.isArray(raw) ? Object.entries(raw ?? {}) : pairs(raw);
  const value: Record<string, string> = {};
  for (const [key, written] of entries) {
    const text = textOf(written);
    if (text === undefined) return { wrong: `has no text for ${JSON.stringify(key)}` };
    if (key === "") return { wrong: "has a value without a key" };
    if (Object.hasOwn(value, key)) return { wrong: `has ${JSON.stringify(key)} twice` };
    Object.defineProperty(value, key, { value: text, enumerable: true });
  }
  return { value };
}

/** A variable holds several pairs, at commas or line ends; each flag holds one, so that its value may have commas. */
function pairs(raw: unknown): (readonly [string, unknown])[] {
  const texts: unknown[] = Array.isArray(raw) ? raw : String(raw).split(/[,\n]/);
  return texts.map((one) => {
    const text = String(one);
    const at = text.indexOf("=");
    return at === -1 ? [text.trim(), undefined] : [text.slice(0, at).trim(), text.slice(at + 1)];
  });
}

function chosen(written: string, { choices, min, max }: OptionDeclaration): Parsed {
  const text = choices === undefined ? written : choiceOf(written, choices);
  if (text === undefined) return { wrong: "is not one of the choices" };
  if (min !== undefined && text.length < min) return { wrong: "is too short" };
  if (max !== undefined && text.length > max) return { wrong: "is too long" };
  return { value: text };
}

/** Case does not count, unless two choices differ in nothing else. Of durations the length counts: 60m and `1 h` are 1h. */
function choiceOf(text: string, choices: readonly string[]): string | undefined {
  if (choices.includes(text)) return text;
  const length = parseDuration(text.replaceAll(/\s/g, ""));
  const alike = choices.find((choice) => length !== undefined && parseDuration(choice) === length);
  if (alike !== undefined) return alike;
  const same = choices.filter((choice) => choice.toLowerCase() === text.toLowerCase());
  return same.length === 1 ? same[0] : undefined;
}

function within(
  value: number | undefined,
  otherwise: string,
  min = Number.MIN_SAFE_INTEGER,
  max = Number.MAX_SAFE_INTEGER,
): Parsed {
  if (value === undefined) return { wrong: otherwise };
  if (value < min) return { wrong: "is too small" };
  return value > max ? { wrong: "is too large" } : { value };
}

function wholeNumber(raw: unknown): number | undefined {
  const text = bare(textOf(raw) ?? "");
  const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

function textOf(raw: unknown): string | undefined {
  if (typeof raw === "number" || typeof raw === "bigint") return String(raw);
  return typeof raw === "string" ? raw : undefined;
}

/** Without blanks around it and without one pair of quotes, which env files and copied lines leave in values. */
function bare(text: string): string {
  const trimmed = text.trim();
  return /^(["'])((?:(?!\1)[^])*)\1$/.exec(trimmed)?.[2]?.trim() ?? trimmed;
}
