/** Which acmectl this is. */
import { readFileSync } from "node:fs";

/** As in package.json, which lies beside `src` or beside `dist`. */
export const version = ownVersion();

/** What servers are told of us (RFC 8555 §6.1). */
export const userAgent = `acmectl/${version} node/${process.versions.node}`;

function ownVersion(): string {
  for (const place of ["../package.json", "../../package.json"]) {
    const found = versionIn(new URL(place, import.meta.url));
    if (found !== undefined) return found;
  }
  throw new Error("acmectl's own package.json is missing.");
}

function versionIn(file: URL): string | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
  const manifest: unknown = JSON.parse(text);
  const found =
    typeof manifest === "object" && manifest !== null && "version" in manifest
      ? manifest.version
      : undefined;
  return typeof found === "string" ? found : undefined;
}
