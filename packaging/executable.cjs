/**
 * The main script of the single executable. Its files are assets of the executable; acmectl finds them below a folder that does
 * not exist: reading, listing and importing from there is answered from the assets.
 */
"use strict";
const fs = require("node:fs");
const { createRequire, registerHooks, syncBuiltinESMExports } = require("node:module");
const { basename, dirname, join, relative } = require("node:path");
const { getAsset } = require("node:sea");
const { fileURLToPath, pathToFileURL } = require("node:url");

const root = "/acmectl.executable";
const script = join(root, "bin/acmectl.js");

const files = new Set(JSON.parse(getAsset("files", "utf8")));
/** What is in each folder, by its path below the root. */
const folders = new Map();
for (const file of files) {
  for (let path = file; path !== "."; path = dirname(path)) {
    const folder = folders.get(dirname(path)) ?? new Set();
    folders.set(dirname(path), folder.add(basename(path)));
  }
}

/** The path below the root; undefined for every other file. */
function inside(file) {
  const path = file instanceof URL ? fileURLToPath(file) : file;
  const isInside = typeof path === "string" && (path === root || path.startsWith(`${root}/`));
  return isInside ? relative(root, path) || "." : undefined;
}

function list(folder, { withFileTypes = false } = {}) {
  const path = inside(folder);
  return Array.from(folders.get(path)).map((name) => {
    const isFolder = folders.has(join(path, name));
    const entry = {
      name,
      parentPath: folder,
      isDirectory: () => isFolder,
      isFile: () => !isFolder,
    };
    return withFileTypes ? entry : name;
  });
}

/** As safe as the executable itself. */
function status(file) {
  const isFile = files.has(inside(file));
  return { mode: 0o755, uid: 0, isFile: () => isFile, isDirectory: () => !isFile };
}

/** Uses `answer` where the first argument is one of ours, else Node.js's own function. */
function patch(object, name, answer) {
  const own = object[name];
  object[name] = (path, ...rest) =>
    inside(path) === undefined ? own.call(object, path, ...rest) : answer(path, ...rest);
}
const has = (path) => files.has(inside(path)) || folders.has(inside(path));
const read = (path) => getAsset(inside(path), "utf8");
patch(fs, "existsSync", has);
patch(fs, "readFileSync", read);
patch(fs, "readdirSync", list);
patch(fs.promises, "readFile", async (path) => read(path));
patch(fs.promises, "readdir", async (path, options) => list(path, options));
patch(fs.promises, "realpath", async (path) => path);
for (const name of ["stat", "lstat"]) patch(fs.promises, name, async (path) => status(path));
syncBuiltinESMExports();

registerHooks({
  resolve(specifier, context, next) {
    if (specifier === "#main") return ours(pathToFileURL(join(root, "dist/src/main.js")));
    const url = /^(\.|\/|file:)/.test(specifier) ? URL.parse(specifier, context.parentURL) : null;
    return url !== null && inside(url) !== undefined ? ours(url) : next(specifier, context);
  },
  load(url, context, next) {
    const path = url.startsWith("file:") ? inside(new URL(url)) : undefined;
    if (path === undefined) return next(url, context);
    return { format: "module", source: getAsset(path, "utf8"), shortCircuit: true };
  },
});

function ours({ href }) {
  return { url: href, format: "module", shortCircuit: true };
}

// Node.js's own option in the line of a crontab; here Node.js leaves it among acmectl's words, and may not read the file.
const [, variables] = /^--env-file=(.+)/s.exec(process.argv[2] ?? "") ?? [];
if (variables !== undefined) {
  process.loadEnvFile(variables);
  process.argv.splice(2, 1);
}
process.argv[1] = script;
createRequire(script)(script);
