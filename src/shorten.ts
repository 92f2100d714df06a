/** Parts of a long text, in whole words: half of a secret is not found by the mask. */

export function firstWords(text: string, longest: number): string {
  return text.length <= longest
    ? text
    : `${text.slice(0, longest + 1).replace(/\s*\S*$/, "")} …`.trimStart();
}

export function lastWords(text: string, longest: number): string {
  return text.length <= longest
    ? text
    : `… ${text.slice(-longest - 1).replace(/^\S*\s*/, "")}`.trimEnd();
}
