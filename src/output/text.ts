/** Makes foreign text (of a CA, a DNS answer, a file) safe for terminals, log lines and JSON documents. */
import { eastAsianWidth } from "get-east-asian-width";
import { isStream } from "../result.ts";

// C0 and C1 controls, DEL, characters that reorder or hide text (bidi, zero width, tags), line separators, lone surrogates.
const unsafe =
  /[\p{Cc}\p{Cs}\u00AD\u061C\u115F\u1160\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB\u{E0000}-\u{E0FFF}]/gu;

/** Longer texts end in an ellipsis and the number of characters left out. */
const longest = 4000;

/** One line: white space becomes one blank, unsafe characters become visible escapes. Mask before: a cut secret cannot be found. */
export function oneLine(text: string, limit = longest): string {
  return escape(bounded(text, limit).replaceAll(/\s+/gu, " ").trim());
}

/** The same for a text of several lines: line breaks and indentation stay. */
export function manyLines(text: string, limit = longest): readonly string[] {
  return bounded(text, limit)
    .split(/\r\n|\r|\n/u)
    .map((line) => escape(line.replaceAll("\t", "  ")).trimEnd());
}

/** JSON in which unsafe characters are written as `\uXXXX`. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, undefined, indent).replaceAll(unsafe, (character) =>
    character === "\n" ? character : unitsOf(character),
  );
}

/** The same of an object, indented, in pieces: of a long list, one item after the other is made, masked and written. */
export async function* jsonPieces(
  members: Readonly<Record<string, unknown>>,
  mask: (value: unknown) => unknown,
): AsyncGenerator<string> {
  let text = "{";
  const indented = (value: unknown, indent: string) =>
    safeJson(mask(value) ?? null, 2).replaceAll("\n", `\n${indent}`);
  // A member is read when it is written: one may depend on the list before it.
  for (const key of Object.keys(members)) {
    const value = members[key];
    if (value === undefined) continue;
    text += `${text === "{" ? "" : ","}\n  ${safeJson(key)}: `;
    if (!Array.isArray(value) && !isStream(value)) {
      text += indented(value, "  ");
      continue;
    }
    let isEmpty = true;
    for await (const item of value) {
      text += `${isEmpty ? "[" : ","}\n    ${indented(item, "    ")}`;
      isEmpty = false;
      if (text.length > longestPiece) {
        yield text;
        text = "";
      }
    }
    text += isEmpty ? "[]" : "\n  ]";
  }
  yield `${text}\n}\n`;
}

export const longestPiece = 2 ** 16;

function bounded(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, limit)}… (${text.length - limit} more characters)`;
}

function escape(text: string): string {
  return text.replaceAll(unsafe, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x1_00 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

function unitsOf(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
  ).join("");
}

/** Columns that a terminal needs for a text without control characters. */
export function columnsFor(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  return charactersOf(text).reduce((sum, character) => sum + widthOf(character), 0);
}

/** As people count them: a letter with its accents is one. */
export function charactersOf(text: string): readonly string[] {
  return Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
}

/** Accents and joiners that follow need no column of their own. */
function widthOf(character: string): number {
  if (/^[\p{Mark}\p{Default_Ignorable_Code_Point}]+$/u.test(character)) return 0;
  if (/\p{Emoji_Presentation}|\uFE0F/u.test(character)) return 2;
  return eastAsianWidth(character.codePointAt(0) ?? 0);
}
