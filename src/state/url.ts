import { quotedWord } from "../options/words.ts";

/** True for the URL of a shared state; otherwise a place is a folder. */
export function isStateUrl(place: string): boolean {
  return /^(postgres(ql)?|s3):\/\//i.test(place);
}

/** The same place, for messages and for what is kept. */
export function withoutPassword(place: string): string {
  if (!isStateUrl(place)) return place;
  const url = URL.parse(place);
  // If it is not a URL, more than the password may be removed.
  if (url === null) return place.replace(/^(\w+:\/\/[^/?#:@]*):.*@/, "$1@");
  url.password = "";
  if (url.searchParams.has("password")) url.searchParams.delete("password");
  return url.href;
}

/** What a command needs, with its state. */
export function commandFor(where: string, command: string): string {
  return `acmectl ${command} --state ${quotedWord(where)}`;
}
