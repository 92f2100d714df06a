/** http-01 through an existing web server: each response is a file in the folder that it serves. */
import { randomBytes } from "node:crypto";
import { isAbsolute } from "node:path";
import { defineSolver, Problem, type Http01Challenge } from "acmectl/plugin";
import type { Owner } from "./folder.ts";
import { isReceipt, writeResponse, removeResponse, type Response } from "./response.ts";

export default defineSolver({
  summary: "writes http-01 responses to the folder that a web server serves",
  challengeTypes: ["http-01"],
  concurrency: 8,
  options: {
    directory: {
      type: "path",
      description:
        "Folder that the web server serves; acmectl creates .well-known/acme-challenge in it.",
      placeholder: "DIR",
    },
    directories: {
      type: "map",
      description: "Folders by name: NAME=DIR, *.example.com=DIR or *=DIR, with absolute paths.",
      placeholder: "NAME=DIR",
    },
    fileMode: {
      type: "string",
      default: "0644",
      description: "Permissions of response files, in octal; ignores the umask.",
    },
    directoryMode: {
      type: "string",
      default: "0755",
      description: "Permissions of created folders, in octal; ignores the umask.",
    },
    owner: {
      type: "string",
      description: "Owner of created files if run as root. Default: that of the served folder.",
      placeholder: "UID:GID",
    },
  },
  create(options, { log }) {
    const roots = rootsOf(options.directory, options.directories);
    const rules = {
      fileMode: permissions(options.fileMode, "fileMode"),
      directoryMode: permissions(options.directoryMode, "directoryMode"),
      owner: options.owner === undefined ? undefined : ownership(options.owner),
    };
    /** Folders that this instance created; the last cleanup removes them. */
    const made = new Set<string>();
    type Content = Pick<Http01Challenge, "identifier" | "token" | "body">;
    const responseTo = ({ identifier: { value: name }, token, body }: Content): Response => ({
      root: rootFor(roots, name),
      token: checked(token),
      body,
      rules,
      made,
      warn: (message) => log.warn(message, { name }),
    });
    return {
      /** Writes a probe to each folder and removes it. */
      async preflight(targets, { signal }) {
        const byRoot = new Map(
          targets.map(({ identifier }) => [rootFor(roots, identifier.value), identifier]),
        );
        for (const identifier of byRoot.values()) {
          signal.throwIfAborted();
          const token = `acmectl-probe-${randomBytes(12).toString("hex")}`;
          const response = responseTo({ identifier, token, body: "probe" });
          await removeResponse(response, await writeResponse(response));
        }
      },
      async present(challenge, { signal }) {
        signal.throwIfAborted();
        return writeResponse(responseTo(challenge));
      },
      async cleanup(challenge, receipt) {
        await removeResponse(responseTo(challenge), isReceipt(receipt) ? receipt : undefined);
      },
    };
  },
});

/** The token becomes a file name, so it is checked again (RFC 8555 §8.3). */
function checked(token: string): string {
  if (/^[A-Za-z0-9_-]{1,200}$/.test(token)) return token;
  throw new Problem("solver", {
    title: "Token refused",
    detail: `The challenge token ${JSON.stringify(token.slice(0, 80))} is not base64url; acmectl does not use it as a file name.`,
    hint: "Do not use this CA: no honest CA sends such a token (RFC 8555 §8.3).",
  });
}

interface Roots {
  readonly byPattern: ReadonlyMap<string, string>;
  readonly directory: string | undefined;
}

/** Throws a Problem of kind `config` if there is no folder, or one that is not absolute. */
function rootsOf(
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
function rootFor({ byPattern, directory }: Roots, name: string): string {
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
    detail: `The webroot solver has no folder for ${name}.`,
    hint: "Set the folder that the web server serves: --webroot-directory DIR, `directory` in the config, or one entry of `directories` per name.",
  });
}

function relative(pattern: string, folder: string): Problem {
  return new Problem("config", {
    title: "Webroot not absolute",
    detail: `The webroot solver's folder ${JSON.stringify(folder)} for ${pattern} is not an absolute path.`,
    hint: `Write the full path: ${pattern}=/var/www/...`,
  });
}

/** `0644` as a number; throws a Problem of kind `config` that names the option. */
function permissions(text: string, option: string): number {
  if (/^0?[0-7]{3}$/.test(text)) return Number.parseInt(text, 8);
  throw new Problem("config", {
    detail: `The webroot solver's ${option} is ${JSON.stringify(text)}, which is not a file mode.`,
    hint: "Write three octal digits, for example 0644.",
  });
}

/** `33:33` as numbers; throws a Problem of kind `config`. */
function ownership(text: string): Owner {
  const match = /^(\d{1,9}):(\d{1,9})$/.exec(text);
  if (match !== null) return { uid: Number(match[1]), gid: Number(match[2]) };
  throw new Problem("config", {
    detail: `The webroot solver's owner is ${JSON.stringify(text)}, which is not UID:GID.`,
    hint: "Write both numbers, for example 33:33; `id www-data` shows them.",
  });
}
