/** Text from others, safe for a terminal and a log: one line, no control or direction characters, bounded length. */
export function printable(text: string, longest = 2000): string {
  const clean = text.replaceAll(unprintable, " ").replaceAll(/ {2,}/g, " ").trim();
  return clean.length > longest ? `${clean.slice(0, longest)}…` : clean;
}

/** C0, DEL, C1; invisible and direction-changing characters; line and paragraph separators; lone surrogates. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Co}]+/gu;
