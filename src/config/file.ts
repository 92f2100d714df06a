/** The config file, through `conf`: found, read, checked, changed. */
import { constants, existsSync, lstatSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { parse } from "yaml";
import type { Config } from "./config.ts";
import { assemble } from "./assemble.ts";
import { readSections, type Sections } from "./check.ts";
import { withValue } from "./edit.ts";
import { keysOf } from "./keys.ts";
import { type ValueChecks, valueFaults } from "./values.ts";
import { type Fault, faultsProblem, parseYaml, type YamlFile, yamlOptions } from "./yaml.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { Problem } from "../problem.ts";
import { isRecord } from "../json.ts";
import { codeOf, messageOf } from "../errors.ts";

/** The options of the plugin that a solver's `use` names. Rejects with a Problem where there is none. */
export type SolverOptions = (use: string) => Promise<OptionDeclarations>;

export interface ConfigReading {
  /** True: the path was asked for, so the file has to be there. */
  readonly explicit?: boolean;
  /** Checks the solvers' own options too; otherwise whoever loads a plugin does. */
  readonly solverOptions?: SolverOptions;
  /** Checks what the values mean too; otherwise whoever uses them does. */
  readonly valueChecks?: ValueChecks;
}

/** The config at this absolute path, checked; an empty one when there is no file. Rejects with a Problem that names file, line and key. */
export async function loadConfig(path: string, reading: ConfigReading = {}): Promise<Config> {
  const { file } = await openFile(path, reading.explicit === true);
  const { sections, faults } = await check(file, reading);
  if (faults.length > 0) throw faultsProblem(file, faults);
  return assemble(path, exists(path), sections);
}

/** What stands in the file at a dotted key, unparsed, undefined when nothing does; and the key's parts. */
export async function getConfigValue(
  path: string,
  key: string,
): Promise<{ keys: readonly string[]; value: unknown }> {
  const { file } = await openFile(path, true);
  const keys = keysOf(key, file.value);
  let value: unknown = file.value;
  for (const part of keys) {
    value = isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }
  return { keys, value };
}

/** What a change left behind. */
export interface ConfigChange {
  /** The parts of the key. */
  readonly keys: readonly string[];
  /** What the file still needs before it can be used, as sentences. */
  readonly missing: readonly string[];
}

/** Writes a value, given as YAML, at a dotted key, and the file with it where there is none. Rejects, and writes nothing, when the file would be wrong. */
export async function setConfigValue(
  path: string,
  key: string,
  text: string,
  reading: Omit<ConfigReading, "explicit"> = {},
): Promise<ConfigChange> {
  const { file } = await openFile(path, false);
  const keys = keysOf(key, file.value);
  const changed = parseYaml(withValue(file, keys, valueOf(text)), path);
  const { faults } = await check(changed, reading);
  const wrong = faults.filter(({ incomplete }) => incomplete !== true);
  if (wrong.length > 0) throw refused(changed, wrong, key);
  const [top = ""] = keys;
  await write(path, file.text, changed, top);
  return { keys, missing: faults.map(({ message }) => message) };
}

/** Writes a new file with mode 0600. Rejects with a Problem when there is one already. */
export async function createConfig(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
    try {
      await file.chmod(0o600);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw unusable(path, "written", error);
    throw new Problem("config", {
      detail: `${path} exists already, and stays as it is.`,
      hint: "Change it with `acmectl config set KEY VALUE` or an editor, or give another file with --config.",
    });
  }
}

async function check(
  file: YamlFile,
  { solverOptions, valueChecks }: ConfigReading,
): Promise<{ sections: Sections; faults: readonly Fault[] }> {
  const solvers = file.value["solvers"];
  const loaded =
    solverOptions === undefined || !isRecord(solvers)
      ? { plugins: new Map<string, OptionDeclarations>(), faults: [] }
      : await loadPlugins(solvers, solverOptions);
  const { sections, faults } = readSections(file, dirname(file.path), loaded.plugins);
  const meant = valueChecks === undefined ? [] : valueFaults(sections, valueChecks);
  return { sections, faults: [...faults, ...meant, ...loaded.faults] };
}

async function loadPlugins(solvers: Readonly<Record<string, unknown>>, load: SolverOptions) {
  const plugins = new Map<string, OptionDeclarations>();
  const faults: Fault[] = [];
  for (const [name, solver] of Object.entries(solvers)) {
    const use = isRecord(solver) ? solver["use"] : undefined;
    if (typeof use !== "string") continue;
    try {
      plugins.set(name, await load(use));
    } catch (error) {
      if (!Problem.is(error)) throw error;
      const { message, hint } = error;
      const keys = ["solvers", name, "use"];
      faults.push({ keys, message, ...(hint === undefined ? {} : { hint }) });
    }
  }
  return { plugins, faults };
}

function valueOf(text: string): unknown {
  try {
    const value: unknown = parse(text, yamlOptions);
    return value;
  } catch (error) {
    throw new Problem("usage", {
      detail: "The value is not valid YAML.",
      hint: "Quote it for YAML, inside the quotes for the shell: '\"*.example.com\"'.",
      cause: error,
    });
  }
}

function refused(file: YamlFile, faults: readonly Fault[], key: string): Problem {
  const { message, hint, document } = faultsProblem(file, faults);
  return new Problem("config", {
    title: "Nothing was written",
    detail: `With ${key} set, ${message}`,
    subproblems: document.subproblems,
    hint,
  });
}

/** conf makes the folder of a file that it does not find, so it is asked only for files that are there. */
async function openFile(path: string, needed: boolean): Promise<{ file: YamlFile }> {
  if (!exists(path)) {
    if (!needed) return { file: parseYaml("", path) };
    throw new Problem("config", {
      detail: `There is no config file ${path}.`,
      hint: "Check --config and ACMECTL_CONFIG; `acmectl config init` writes a file to start from.",
    });
  }
  let file: YamlFile | undefined;
  await throughConf(path, "read", {
    deserialize(text) {
      file ??= parseYaml(text, path);
      return { ...file.value };
    },
  });
  if (file === undefined) throw new TypeError(`${path} was not read.`);
  return { file };
}

async function write(path: string, before: string, after: YamlFile, top: string): Promise<void> {
  await throughConf(
    path,
    "written",
    {
      deserialize(text) {
        if (text !== before) {
          throw new Problem("config", {
            detail: `${path} was changed by somebody else at the same moment; it stays as they wrote it.`,
            hint: "Run the command again.",
          });
        }
        return { ...parseYaml(text, path).value };
      },
      serialize: () => after.text,
    },
    (conf) => conf.set(top, after.value[top]),
  );
}

interface Format {
  deserialize(text: string): Record<string, unknown>;
  serialize?(): string;
}

async function throughConf(
  path: string,
  purpose: "read" | "written",
  format: Format,
  use: (conf: { set(key: string, value: unknown): void }) => void = () => {},
): Promise<void> {
  // Loaded only where there is a file: it takes a tenth of a second.
  const { default: Conf } = await import("conf");
  try {
    if (purpose === "written") await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    use(
      new Conf<Record<string, unknown>>({
        cwd: dirname(path),
        configName: basename(path),
        fileExtension: "",
        accessPropertiesByDotNotation: false,
        configFileMode: 0o600,
        ...format,
      }),
    );
  } catch (error) {
    throw Problem.is(error) ? error : unusable(path, purpose, error);
  }
}

/** A link that leads nowhere is a mistake, not an absent file. */
function exists(path: string): boolean {
  if (existsSync(path)) return true;
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
  } catch (error) {
    throw unusable(path, "read", error);
  }
  throw new Problem("config", { detail: `The config file ${path} is a link that leads nowhere.` });
}

function unusable(path: string, purpose: string, error: unknown): Problem {
  const reason = reasons[codeOf(error)] ?? messageOf(error);
  return new Problem("machine", {
    detail: `The config file ${path} cannot be ${purpose}: ${reason}.`,
    hint: "Check the path, and that this user may use it.",
    cause: error,
  });
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: "this user may not",
  EPERM: "this user may not",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is no folder",
  ENOSPC: "the disk is full",
  EROFS: "the file system is read-only",
};
