/** What the system said about the served folder, and what to do. */
import { Problem } from "acmectl/plugin";
import { codeOf } from "./folder.ts";

/** The Problem of kind `machine` for an error below `root`. */
export function failure(error: unknown, root: string): Problem {
  const [detail, hint] = explain(codeOf(error), root);
  return new Problem("machine", {
    title: "Webroot unusable",
    detail: detail ?? `Nothing can be written below ${root}: ${textOf(error)}.`,
    hint: hint ?? `Look at ${root}, and try \`acmectl solvers test webroot\`.`,
    cause: error,
  });
}

function explain(code: string, root: string): readonly [string?, string?] {
  switch (code) {
    case "ENOENT":
      return [
        `The webroot ${root} does not exist.`,
        "Name the folder that the web server serves for this name (nginx: `root`, Apache: `DocumentRoot`).",
      ];
    case "ENOTDIR":
      return [
        `${root}, or .well-known or acme-challenge in it, is not a folder.`,
        "Name the folder that the web server serves, and remove a file that is in the way.",
      ];
    case "EACCES":
    case "EPERM":
      return [
        `This user (uid ${process.geteuid?.() ?? "unknown"}) may not write to ${root}/.well-known/acme-challenge.`,
        `Run acmectl as root, or make the folder once and give it to this user: mkdir -p ${root}/.well-known/acme-challenge && chown ${process.geteuid?.() ?? "USER"} ${root}/.well-known/acme-challenge`,
      ];
    case "EROFS":
      return [
        `${root} is on a file system that is mounted read-only.`,
        "Serve .well-known/acme-challenge from a folder that can be written, and name that.",
      ];
    case "ENOSPC":
    case "EDQUOT":
      return [`There is no space left for ${root}.`, "Free some space (df -h, df -i, quota)."];
    default:
      return [];
  }
}

function textOf(error: unknown): string {
  return codeOf(error) || (error instanceof Error ? error.message : String(error));
}
