/** A command line in one text, and its words. */

/** Splits at blanks; quotes and backslashes mean what they mean to a POSIX shell, nothing else does. Undefined when a quote is left open. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let rest = text;
  while (rest !== "") {
    const part = nextPart(rest);
    if (part === undefined) return undefined;
    rest = rest.slice(part.length);
    if (part.kind === "blank") {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + part.text;
    }
  }
  return word === undefined ? words : [...words, word];
}

/** The word as it is typed in a POSIX shell. */
export function quotedWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

const parts: readonly {
  kind: "blank" | "text";
  pattern: RegExp;
  text: (match: string) => string;
}[] = [
  { kind: "blank", pattern: /^\s+/, text: () => "" },
  { kind: "text", pattern: /^'[^']*'/, text: (quoted) => quoted.slice(1, -1) },
  {
    kind: "text",
    pattern: /^"(?:[^"\\]|\\.)*"/s,
    text: (quoted) => quoted.slice(1, -1).replaceAll(/\\(["\\$`])/g, "$1"),
  },
  { kind: "text", pattern: /^\\./s, text: (escaped) => escaped.slice(1) },
  { kind: "text", pattern: /^[^\s'"\\]+/, text: (plain) => plain },
];

function nextPart(
  rest: string,
): { kind: "blank" | "text"; text: string; length: number } | undefined {
  for (const { kind, pattern, text } of parts) {
    const match = pattern.exec(rest)?.[0];
    if (match !== undefined) return { kind, text: text(match), length: match.length };
  }
  return undefined;
}
