/** Splits at blanks; quotes and backslashes mean what they mean to a POSIX shell, nothing else does. Undefined when a quote is left open. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let end = 0;
  for (const [part, blank, single, double, escaped, plain] of text.matchAll(parts)) {
    end += part.length;
    if (blank === undefined) {
      const quoted = single ?? double?.replaceAll(/\\(["\\$`])/g, "$1");
      word = (word ?? "") + (quoted ?? escaped ?? plain ?? "");
    } else {
      if (word !== undefined) words.push(word);
      word = undefined;
    }
  }
  if (end < text.length) return undefined;
  return word === undefined ? words : [...words, word];
}

const parts = /(\s+)|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|([^\s'"\\]+)/gsy;

/** The word as it is typed in a POSIX shell. */
export function quotedWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** What was typed as the answer to a question of yes or no. */
export function isYes(answer: string): boolean {
  return /^y(es)?$/i.test(answer.trim());
}
