/** What a system error about the served folder means, and what to do. */
import { Problem } from "acmectl/plugin";
import { codeOf, systemReason } from "acmectl/plugin/http";

/** The Problem of kind `machine` for an error below `root`. */
export function failure(error: unknown, root: string): Problem {
  const [detail, hint] = explain(codeOf(error), root);
  return new Problem("machine", {
    title: "Webroot unusable",
    detail: detail ?? `Cannot write below ${root}: ${systemReason(error)}.`,
    hint: hint ?? `Check ${root}, and try \`acmectl solvers test webroot\`.`,
    cause: error,
  });
}

function explain(code: string, root: string): readonly [string?, string?] {
  switch (code) {
    case "ENOENT":
      return [
        `The webroot ${root} does not exist.`,
        "Use the folder that the web server serves for this name (nginx: `root`, Apache: `DocumentRoot`).",
      ];
    case "ENOTDIR":
      return [
        `${root}, or .well-known or acme-challenge in it, is not a folder.`,
        "Use the folder that the web server serves, and remove the file.",
      ];
    case "EACCES":
    case "EPERM":
      return [
        `This user (uid ${process.geteuid?.() ?? "unknown"}) may not write to ${root}/.well-known/acme-challenge.`,
        `Run acmectl as root, or create the folder for this user: mkdir -p ${root}/.well-known/acme-challenge && chown ${process.geteuid?.() ?? "USER"} ${root}/.well-known/acme-challenge`,
      ];
    case "EROFS":
      return [
        `${root} is on a file system that is mounted read-only.`,
        "Serve .well-known/acme-challenge from a writable folder, and use that.",
      ];
    case "ENOSPC":
    case "EDQUOT":
      return [`There is no space left for ${root}.`, "Free some space (df -h, df -i, quota)."];
    default:
      return [];
  }
}
