/** Loads one module that holds a solver, with `acmectl/plugin` answered by this very program. */
import { realpath, stat } from "node:fs/promises";
import nodeModule from "node:module";
import { basename, dirname, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { publicModule } from "../installation.ts";
import type { SolverPlugin } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { changeableByOthers } from "../trusted-code.ts";
import { checkSolverPlugin } from "./shape.ts";
import { codeOf, messageOf } from "../errors.ts";

export interface LoadedFile {
  readonly plugin: SolverPlugin;
  /** File name without extension (the folder's for an index file), in the letters that flags allow. */
  readonly name: string;
  /** Absolute, symbolic links followed. */
  readonly path: string;
}

/** Loads the solver in `file`; `from` says in messages what the file belongs to, `trusted` skips the look at its owners. */
export async function loadSolverFile(
  file: string,
  cwd: string,
  given: { from?: string; trusted?: boolean } = {},
): Promise<LoadedFile> {
  const { path, exported } = await loadModule(file, cwd, given);
  const shown = given.from === undefined ? path : `${path} (${given.from})`;
  return { plugin: checkSolverPlugin(exported, shown), name: nameOf(path), path };
}

/** The default export of a module of the user's; `what` it is, for messages. */
export async function loadModule(
  file: string,
  cwd: string,
  given: { from?: string; trusted?: boolean; what?: string } = {},
): Promise<{ path: string; exported: unknown }> {
  const { what = "solver" } = given;
  const path = await existing(resolve(cwd, file), what);
  const shown = given.from === undefined ? path : `${path} (${given.from})`;
  const changeable = given.trusted === true ? undefined : await changeableByOthers(path);
  if (changeable !== undefined) throw foreignCode(path, changeable, what);
  refuseTypeScript(path, what);
  answerForAcmectl();
  return { path, exported: exportOf(await load(path, shown, what)) };
}

async function existing(path: string, what: string): Promise<string> {
  try {
    if ((await stat(path)).isFile()) return await realpath(path);
  } catch (cause) {
    throw new Problem("plugin", {
      detail: `The ${what} file ${path} cannot be read: ${messageOf(cause)}.`,
      hint: "Check the path; it is taken relative to the working directory.",
      cause,
    });
  }
  throw new Problem("plugin", {
    detail: `The ${what} ${path} is not a file.`,
    hint: `Name the file itself, for example ./my-${what}/index.ts.`,
  });
}

function foreignCode(path: string, part: string, what: string): Problem {
  return new Problem("plugin", {
    title: `${what === "solver" ? "Solver" : "Notifier"} file refused`,
    detail: `acmectl runs as root, and users other than root can change ${part}; the ${what} ${path} is not run.`,
    hint: `Copy the ${what} to a folder that only root can write; or make root the owner and the only one to write: chown root ${part} && chmod go-w ${part}`,
  });
}

function refuseTypeScript(path: string, what: string): void {
  if (!/\.[cm]?ts$/.test(path) || process.features.typescript !== false) return;
  throw new Problem("plugin", {
    detail: `The ${what} ${path} is TypeScript, which this Node.js (${process.versions.node}) does not run.`,
    hint: "Use Node.js 22.18 or newer, or compile the file to JavaScript and name that.",
  });
}

let answering = false;

/** A solver imports `acmectl/plugin` from wherever it lies, most often where no acmectl is installed: it gets this one. */
function answerForAcmectl(): void {
  // Older than Node 22.15 there are no such hooks: then the solver's own node_modules must hold acmectl.
  if (answering || typeof nodeModule.registerHooks !== "function") return;
  answering = true;
  nodeModule.registerHooks({
    resolve: (specifier, context, nextResolve) => {
      const name = /^acmectl\/(plugin|plugin\/http|testing)$/.exec(specifier)?.[1];
      if (name === undefined) return nextResolve(specifier, context);
      return { url: pathToFileURL(publicModule(name)).href, shortCircuit: true };
    },
  });
}

async function load(path: string, shown: string, what: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (cause) {
    throw new Problem("plugin", {
      detail: `The ${what} ${shown} cannot be loaded: ${messageOf(cause)}`,
      hint: hintFor(cause),
      cause,
    });
  }
}

function hintFor(cause: unknown): string {
  switch (codeOf(cause)) {
    case "ERR_MODULE_NOT_FOUND":
      return typeof nodeModule.registerHooks === "function"
        ? "Install what the solver imports beside it with npm install."
        : "Install acmectl beside the solver with npm install, or use Node.js 22.15 or newer, where that is not needed.";
    case "ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING":
      return "Node.js runs no TypeScript out of node_modules: the package has to ship JavaScript.";
    case "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX":
      return "Node.js only strips types: write no enum, namespace or parameter property (tsc --erasableSyntaxOnly finds them).";
    default:
      return "The message is the module's own. Fix the module, or ask its author.";
  }
}

/** The default export, also of CommonJS that was compiled from an ES module. */
function exportOf(loaded: unknown): unknown {
  const exported = memberOf(loaded, "default");
  const inner = memberOf(exported, "default");
  return inner === undefined ? exported : inner;
}

function nameOf(path: string): string {
  const base = basename(path, extname(path));
  const name = base === "index" ? basename(dirname(path)) : base;
  const letters = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return letters.replaceAll(/^-|-$/g, "") || "solver";
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
