/** Which folder serves which name. */
import { isAbsolute } from "node:path";
import { Problem } from "acmectl/plugin";

export interface Roots {
  readonly byPattern: ReadonlyMap<string, string>;
  readonly directory: string | undefined;
}

/** Throws a Problem of kind `config` when there is no folder at all, or one that is not absolute. */
export function rootsOf(
  directory: string | undefined,
  directories: Readonly<Record<string, string>> = {},
): Roots {
  const byPattern = new Map<string, string>();
  for (const [pattern, folder] of Object.entries(directories)) {
    if (!isAbsolute(folder)) throw relative(pattern, folder);
    byPattern.set(pattern.toLowerCase().replace(/\.$/, ""), folder);
  }
  if (directory === undefined && byPattern.size === 0) throw missing("any name");
  return { byPattern, directory };
}

/** The exact name before the longest `*.zone`, before `*`, before `directory`. */
export function rootFor({ byPattern, directory }: Roots, name: string): string {
  const labels = name.split(".");
  const zones = labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join(".")}`);
  for (const pattern of [name, ...zones, "*"]) {
    const folder = byPattern.get(pattern);
    if (folder !== undefined) return folder;
  }
  if (directory === undefined) throw missing(name);
  return directory;
}

function missing(name: string): Problem {
  return new Problem("config", {
    title: "No webroot",
    detail: `The webroot solver is told no folder for ${name}.`,
    hint: "Name the folder that the web server serves: --webroot-directory DIR, `directory` in the config, or an entry of `directories` for each name.",
  });
}

function relative(pattern: string, folder: string): Problem {
  return new Problem("config", {
    title: "Webroot not absolute",
    detail: `The webroot solver's folder ${JSON.stringify(folder)} for ${pattern} is not an absolute path.`,
    hint: `Write it in full: ${pattern}=/var/www/...`,
  });
}
