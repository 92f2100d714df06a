/** How the name of an option is spelled as a flag and as a variable: the one place. */

/** `eabHmac` → `--eab-hmac`; `ttl` of the plugin `cloudflare` → `--cloudflare-ttl`. */
export function flagOf(option: string, plugin?: string): string {
  return `--${[...wordsOf(plugin), ...wordsOf(option)].join("-")}`;
}

/** `eabHmac` → `ACMECTL_EAB_HMAC`; `ttl` of the plugin `cloudflare` → `ACMECTL_CLOUDFLARE_TTL`. */
export function variableOf(option: string, plugin?: string): string {
  return ["acmectl", ...wordsOf(plugin), ...wordsOf(option)].join("_").toUpperCase();
}

/** `keyType` → `key`, `type`; a capital begins a word, and whatever no flag can hold parts two words. */
function wordsOf(name = ""): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])|([A-Z]+)([A-Z][a-z])/g, "$1$3-$2$4")
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== "");
}
