/** The config file, through `conf`: found, read, checked, changed. */
import { dirname } from "node:path";
import { parse } from "yaml";
import type { Config } from "./config.ts";
import { assemble } from "./assemble.ts";
import { readSections } from "./check.ts";
import { withValue } from "./edit.ts";
import { exists, openFile, write } from "./conf.ts";
import { isSection, sections as declared, type Sections } from "./sections.ts";
import {
  type Fault,
  faultsProblem,
  laterMistake,
  parseYaml,
  type YamlFile,
  yamlOptions,
} from "./yaml.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { asProblem, Problem } from "../problem.ts";
import { isRecord } from "../json.ts";

/** The options of the plugin that a solver's `use` names. Rejects with a Problem where there is none. */
export type SolverOptions = (use: string) => Promise<OptionDeclarations>;

export interface ConfigReading {
  /** True: the path was asked for, so the file has to be there. */
  readonly explicit?: boolean;
  /** Checks the solvers' own options too; otherwise they are checked when a plugin is loaded. */
  readonly solverOptions?: SolverOptions;
  /** True: checks what the values mean too; otherwise they are checked where they are used. */
  readonly meaning?: boolean;
}

/** The config at this absolute path, checked; an empty one when there is no file. Rejects with a Problem that names file, line and key. */
export async function loadConfig(path: string, reading: ConfigReading = {}): Promise<Config> {
  const file = await openFile(path, reading.explicit === true);
  const { sections, faults } = await check(file, reading);
  if (faults.length > 0) throw faultsProblem(file, faults);
  const config = assemble(path, exists(path), sections);
  if (!config.exists) return config;
  // Parsed again for its message: what YAML makes of ten thousand certificates is too large to keep for it.
  const { text } = file;
  return { ...config, mistake: (fault) => laterMistake(parseYaml(text, path), fault) };
}

/** What the file has at a dotted key, unparsed, undefined when nothing does; and the key's parts. */
export async function getConfigValue(
  path: string,
  key: string,
): Promise<{ keys: readonly string[]; value: unknown }> {
  const file = await openFile(path, true);
  const keys = keysOf(key, file.value);
  let value: unknown = file.value;
  for (const part of keys) {
    value = isRecord(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  }
  return { keys, value };
}

export interface ConfigChange {
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
  const file = await openFile(path, false);
  const keys = keysOf(key, file.value);
  const changed = parseYaml(withValue(file, keys, valueOf(text)), path);
  const { faults } = await check(changed, reading);
  const wrong = faults.filter(({ incomplete }) => incomplete !== true);
  if (wrong.length > 0) throw refused(changed, wrong);
  const [top = ""] = keys;
  await write(path, file.text, changed, top);
  return { keys, missing: faults.map(({ message }) => message) };
}

async function check(
  file: YamlFile,
  { solverOptions, meaning }: ConfigReading,
): Promise<{ sections: Sections; faults: readonly Fault[] }> {
  const solvers = file.value["solvers"];
  const loaded =
    solverOptions === undefined || !isRecord(solvers)
      ? { plugins: new Map<string, OptionDeclarations>(), faults: [] }
      : await loadPlugins(solvers, solverOptions);
  const { sections, faults } = readSections(file, dirname(file.path), loaded.plugins);
  const meant = meaning === true ? (await import("./values.ts")).valueFaults(sections) : [];
  return { sections, faults: [...faults, ...meant, ...loaded.faults] };
}

async function loadPlugins(solvers: Readonly<Record<string, unknown>>, load: SolverOptions) {
  const plugins = new Map<string, OptionDeclarations>();
  const faults: Fault[] = [];
  for (const [name, solver] of Object.entries(solvers)) {
    const use = isRecord(solver) ? solver["use"] : undefined;
    if (typeof use !== "string") continue;
    const loaded = await load(use).catch(asProblem);
    if (!Problem.is(loaded)) plugins.set(name, loaded);
    else {
      const { message, hint } = loaded;
      faults.push({ keys: ["solvers", name, "use"], message, hint });
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

function refused(file: YamlFile, faults: readonly Fault[]): Problem {
  const { message, hint, document } = faultsProblem(file, faults);
  const { path } = file;
  // The place is one of the file as it would be, which the excerpt shows.
  const wrong = message.startsWith(path) ? message.slice(path.length) : message;
  const why = wrong.replace(/^:\d+:\d+: /, "").replace(/^ has /, "it would have ");
  return new Problem("config", {
    title: "Nothing was written",
    detail: `${path} would be wrong: ${why}`,
    subproblems: document.subproblems,
    hint,
  });
}

/**
 * `certificates.shop.keyType` → its parts. Of `certificates.shop.example.com.keyType` the name is what the file has, else
 * as much as leaves a known option behind; quotes settle it: `certificates."shop.example.com".keyType`. Throws a Problem.
 */
function keysOf(path: string, file: Readonly<Record<string, unknown>>): readonly string[] {
  const parts = partsOf(path);
  const [section, ...rest] = parts;
  if (section === undefined || !isSection(section) || rest.length === 0) return parts;
  const { entries, shape } = declared[section];
  if (!entries) return parts;
  const held = file[section];
  const named = isRecord(held) ? Object.keys(held) : [];
  for (let count = rest.length; count > 0; count -= 1) {
    const name = rest.slice(0, count).join(".");
    if (named.includes(name)) return [section, name, ...rest.slice(count)];
  }
  const option = rest.findIndex((part, index) => index > 0 && Object.hasOwn(shape.options, part));
  const count = option === -1 ? 1 : option;
  return [section, rest.slice(0, count).join("."), ...rest.slice(count)];
}

function partsOf(path: string): readonly string[] {
  const parts = path.match(/"[^"]*"|[^."]+/gu) ?? [];
  if (parts.length === 0 || parts.join(".") !== path) {
    throw new Problem("usage", {
      detail: `${JSON.stringify(path)} is not a key of the config.`,
      hint: 'Write a key like issuers.letsencrypt.email; put a name with dots in quotes: certificates."shop.example.com".keyType.',
    });
  }
  return parts.map((part) => part.replaceAll('"', ""));
}
