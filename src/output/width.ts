import { eastAsianWidth } from "get-east-asian-width";

/** Columns that a terminal needs for a text without control characters. */
export function columnsFor(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  const characters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  return characters.reduce((sum, character) => sum + widthOf(character), 0);
}

/** Accents and joiners that follow need no column of their own. */
function widthOf(character: string): number {
  if (/^[\p{Mark}\p{Default_Ignorable_Code_Point}]+$/u.test(character)) return 0;
  if (/\p{Emoji_Presentation}|\uFE0F/u.test(character)) return 2;
  return eastAsianWidth(character.codePointAt(0) ?? 0);
}
