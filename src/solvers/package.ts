/** Solvers that are npm packages: `acmectl-plugin-<name>` and `@scope/acmectl-plugin-<name>`. */
import { readFile, readdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Problem } from "../problem.ts";
import { isRecord } from "../json.ts";

export interface SolverPackage {
  /** `name`, or `scope-name`: letters that a flag may have. */
  readonly name: string;
  readonly folder: string;
  /** The module to import, an absolute path. */
  readonly entry: string;
  /** `package@version` */
  readonly origin: string;
}

const prefix = "acmectl-plugin-";
const own = fileURLToPath(import.meta.url);

/** The package that `name` stands for, or undefined when no package can be called so. */
export function packageOf(name: string): string | undefined {
  const match = /^(@[a-z0-9][a-z0-9._-]*\/)?(?:acmectl-plugin-)?([a-z0-9][a-z0-9-]*)$/.exec(name);
  return match === null ? undefined : `${match[1] ?? ""}${prefix}${match[2]}`;
}

/** Looks for the package from the working directory upwards, then from acmectl's own installation. */
export async function findPackage(name: string, cwd: string): Promise<SolverPackage | undefined> {
  const wanted = packageOf(name);
  if (wanted === undefined) return undefined;
  for (const folder of moduleFolders(cwd)) {
    const manifest = await readManifest(join(folder, wanted));
    if (manifest === undefined) continue;
    const entry = entryOf(manifest);
    if (entry === undefined) throw noEntry(wanted, join(folder, wanted));
    const short = wanted.replace(prefix, "").replace(/^@/, "");
    const { version } = manifest;
    return {
      name: short.replaceAll(/[^a-z0-9]+/g, "-"),
      folder: join(folder, wanted),
      entry: join(folder, wanted, entry),
      origin: `${wanted}@${typeof version === "string" ? version : "0.0.0"}`,
    };
  }
  return undefined;
}

/** The names, as typed after `--solver`, of all solver packages that `findPackage` would find. */
export async function installedPackages(cwd: string): Promise<readonly string[]> {
  const names = new Set<string>();
  for (const folder of moduleFolders(cwd)) {
    const entries = await namesIn(folder);
    for (const scope of entries.filter((entry) => entry.startsWith("@"))) {
      for (const inner of await namesIn(join(folder, scope))) {
        if (inner.startsWith(prefix)) names.add(`${scope}/${inner.slice(prefix.length)}`);
      }
    }
    for (const entry of entries) {
      if (entry.startsWith(prefix)) names.add(entry.slice(prefix.length));
    }
  }
  return [...names].toSorted();
}

function moduleFolders(cwd: string): readonly string[] {
  return [...new Set([...seenFrom(join(cwd, "here.js")), ...seenFrom(own)])];
}

function seenFrom(file: string): readonly string[] {
  return createRequire(file).resolve.paths("anything") ?? [];
}

function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function readManifest(folder: string): Promise<Record<string, unknown> | undefined> {
  const file = join(folder, "package.json");
  const text = await readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const manifest: unknown = JSON.parse(text);
    if (isRecord(manifest)) return manifest;
  } catch (cause) {
    throw new Problem("plugin", {
      detail: `${file} is not JSON.`,
      hint: "Install the package again.",
      cause,
    });
  }
  return undefined;
}

/** Node's PACKAGE_EXPORTS_RESOLVE for the one subpath ".". */
function entryOf(manifest: Record<string, unknown>): string | undefined {
  const { exports, main } = manifest;
  if (exports !== undefined && exports !== null)
    return chosen(isRecord(exports) && "." in exports ? exports["."] : exports);
  return typeof main === "string" ? main : "index.js";
}

const conditions = new Set(["node", "import", "module-sync", "default"]);

function chosen(target: unknown): string | undefined {
  if (typeof target === "string") return target.startsWith("./") ? target : undefined;
  if (Array.isArray(target)) return target.map(chosen).find((entry) => entry !== undefined);
  if (!isRecord(target)) return undefined;
  for (const [condition, value] of Object.entries(target)) {
    const entry = conditions.has(condition) ? chosen(value) : undefined;
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function noEntry(name: string, folder: string): Problem {
  return new Problem("plugin", {
    detail: `The package ${name} in ${folder} exports nothing under "." that can be imported.`,
    hint: "Its package.json needs an `exports` (or `main`) that leads to the solver's module; ask its author.",
  });
}
