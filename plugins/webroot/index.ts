/** http-01 through a web server that runs already: the response is a file in the folder that it serves. */
import { randomBytes } from "node:crypto";
import { defineSolver, Problem, type Http01Challenge } from "acmectl/plugin";
import { ownership, permissions } from "./permissions.ts";
import { isReceipt, writeResponse, removeResponse, type Response } from "./response.ts";
import { rootFor, rootsOf } from "./roots.ts";

export default defineSolver({
  summary: "puts http-01 responses into the folder that a web server serves",
  challengeTypes: ["http-01"],
  concurrency: 8,
  options: {
    directory: {
      type: "path",
      description:
        "Folder that the web server serves for the names; .well-known/acme-challenge is made in it.",
      placeholder: "DIR",
    },
    directories: {
      type: "map",
      description:
        "Folders of single names, as NAME=DIR with absolute paths; *.example.com stands for all names below example.com, * for all names.",
      placeholder: "NAME=DIR",
    },
    fileMode: {
      type: "string",
      default: "0644",
      description: "Permissions of a response file, in octal digits, whatever the umask is.",
    },
    directoryMode: {
      type: "string",
      default: "0755",
      description:
        "Permissions of the folders made for it, in octal digits, whatever the umask is.",
    },
    owner: {
      type: "string",
      description:
        "Numeric owner and group of what is made, as UID:GID, when acmectl runs as root; those of the served folder when absent.",
      placeholder: "UID:GID",
    },
  },
  create(options, { log }) {
    const roots = rootsOf(options.directory, options.directories);
    const rules = {
      fileMode: permissions(options.fileMode, "fileMode"),
      directoryMode: permissions(options.directoryMode, "directoryMode"),
      ...(options.owner === undefined ? {} : { owner: ownership(options.owner) }),
    };
    /** Folders made by this instance: the last response in them takes them away. */
    const made = new Set<string>();
    const responseFor = (name: string, token: string, body: string): Response => ({
      root: rootFor(roots, name),
      token: checked(token),
      body,
      rules,
      made,
      warn: (message) => log.warn(message, { name }),
    });
    const responseTo = ({ identifier, token, body }: Http01Challenge) =>
      responseFor(identifier.value, token, body);
    return {
      /** Tries on each folder what present is going to do, and leaves no trace. */
      async preflight(targets, { signal }) {
        const names = targets.map(({ identifier }) => identifier.value);
        const tried = new Map(names.map((name) => [rootFor(roots, name), name]));
        for (const name of tried.values()) {
          signal.throwIfAborted();
          const probe = `acmectl-probe-${randomBytes(12).toString("hex")}`;
          const response = responseFor(name, probe, "probe");
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

/** A token is a file name here: whoever sent it, it is looked at again (RFC 8555 §8.3). */
function checked(token: string): string {
  if (/^[A-Za-z0-9_-]{1,200}$/.test(token)) return token;
  throw new Problem("solver", {
    title: "Token refused",
    detail: `The challenge token ${JSON.stringify(token.slice(0, 80))} is not written in base64url; it is not used as a file name.`,
    hint: "No honest CA sends such a token (RFC 8555 §8.3). Do not use that CA.",
  });
}
