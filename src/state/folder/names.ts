import { createHash } from "node:crypto";
import { Problem } from "../../problem.ts";

/**
 * The folder of a certificate: its name, with `_` for `*` and `:`. Two names may map to one folder (`*.example.com` and
 * `_.example.com`), so readers compare the name in its record (`refuseClash`). Rejects any name that could leave its folder.
 */
export function certificateFolderName(name: string): string {
  if (name.length > 255 || !/^(?:\*\.)?[A-Za-z0-9_:][A-Za-z0-9._:-]*$/.test(name)) {
    throw new Problem("usage", {
      detail: `The certificate name ${JSON.stringify(name.slice(0, 300))} cannot be the name of a folder.`,
      hint: "Choose another with --name: up to 255 letters, digits, dots, dashes and underscores; no dot or dash at the beginning.",
    });
  }
  return shortened(name.replaceAll(/[*:]/g, "_"), name);
}

/**
 * The folder of an ACME directory: host and path, readable (`acme.example.org_directory`). A URL with
 * a port, a query, upper case or unusual characters gets a short hash as well, so different URLs have different folders.
 */
export function directoryFolderName(directory: string): string {
  const plain = /^https:\/\/([a-z0-9][a-z0-9.-]*)((?:\/[a-z0-9.-]+)+)$/.exec(directory);
  if (plain === null) return readableName(directory.replace(/^[a-z]+:\/\//, ""), directory);
  return shortened(`${plain[1]}${plain[2]?.replaceAll("/", "_")}`, directory);
}

/** Any text as the name of a file: plain text as it is, otherwise its readable part and a hash. */
export function readableName(text: string, unique: string = text): string {
  if (/^[a-z0-9][a-z0-9.-]*$/.test(unique)) return shortened(unique, unique);
  const readable = text.replaceAll(/[^A-Za-z0-9.-]+/g, "_").replaceAll(/^[_.-]+|_+$/g, "");
  return `${readable.slice(0, longest)}~${hash(unique)}`;
}

/** Leaves room within 255 bytes for `.corrupt-<time>` and the names of temporary files. */
const longest = 150;

function shortened(name: string, unique: string): string {
  return name.length <= longest ? name : `${name.slice(0, longest)}~${hash(unique)}`;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}

/** Throws when the folder belongs to another certificate. */
export function refuseClash(path: string, holds: string, asked: string): void {
  if (holds === asked) return;
  throw new Problem("usage", {
    detail: `The certificates ${holds} and ${asked} would share ${path}, which belongs to ${holds}.`,
    hint: `Give ${asked} another name with --name.`,
  });
}
