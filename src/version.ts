/** The version of this acmectl. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageFolder } from "./installation.ts";
import { isRecord } from "./json.ts";

/** As in package.json. */
export const version = ownVersion();

/** RFC 8555 §6.1. */
export const userAgent = `acmectl/${version} node/${process.versions.node}`;

/** What `--version` prints. */
export function versionLine(node: string): string {
  return `acmectl ${version} node ${node}`;
}

function ownVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageFolder, "package.json"), "utf8"));
  if (isRecord(manifest) && typeof manifest["version"] === "string") return manifest["version"];
  throw new Error("acmectl's own package.json names no version.");
}
