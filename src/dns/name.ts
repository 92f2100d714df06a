/** Lower case, without the trailing dot; the root is the empty string. */
export function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** True for a name that a question may have: labels of 1 to 63 letters, digits, `-` or `_`, at most 253 in all. */
export function isName(name: string): boolean {
  return name.length <= 253 && name.split(".").every((label) => /^[a-z0-9_-]{1,63}$/.test(label));
}

/** The name without its first label; the root's parent is undefined. */
export function parentOf(name: string): string | undefined {
  if (name === "") return undefined;
  const dot = name.indexOf(".");
  return dot === -1 ? "" : name.slice(dot + 1);
}

/** True when `name` is `zone` or lies below it. */
export function isWithin(name: string, zone: string): boolean {
  return zone === "" || name === zone || name.endsWith(`.${zone}`);
}

/** Text of a DNS record as zone files write it: `\DDD` for what is not printable, so that a terminal is safe. */
export function printable(value: string): string {
  return value.replaceAll(
    /[^\u0020-\u007e]/g,
    (character) => `\\${String(character.charCodeAt(0)).padStart(3, "0")}`,
  );
}
