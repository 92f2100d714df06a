/** Where an option's value was written: the first source that has one. */
import { resolve } from "node:path";
import type { OptionDeclarations } from "./declaration.ts";
import { flagOf, isVariable, variablesOf } from "./names.ts";
import { readSmallFile } from "./secret.ts";

export interface OptionSources {
  /** The plugin whose options these are; a command's when absent. */
  readonly plugin?: string;
  /** By option: the texts as typed, true and false for a boolean. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly config?: ConfigSection | undefined;
  /**
   * True when several solvers of the config use this plugin: then the environment fills in only what the config leaves
   * open, since one variable cannot be meant for all of them.
   */
  readonly configFirst?: boolean;
  /** Absolute. */
  readonly cwd: string;
  mask(secret: string): void;
  readonly signal?: AbortSignal;
}

export interface ConfigSection {
  readonly values: Readonly<Record<string, unknown>>;
  /** The config file, absolute. */
  readonly path: string;
  /** What relative paths are relative to; the file's folder when absent. */
  readonly folder?: string | undefined;
  /** The mapping's place in it, e.g. `solvers.cf`. */
  readonly key?: string;
}

export interface Found {
  readonly raw: unknown;
  /** For people: `--domains`, `ACMECTL_DOMAINS`, `/etc/acmectl/config.yaml: solvers.cf.ttl`, `default`. */
  readonly source: string;
  /** What a value that does not parse is a problem of. */
  readonly kind: "usage" | "config";
  /** What relative paths in it are relative to. */
  readonly folder: string;
  /** The content of a file, so never itself a reference. */
  readonly literal?: boolean;
  readonly fromDefault?: boolean;
  /** A reference that leads to `raw`, where it came from a variable. */
  readonly reference?: string;
}

/** Rejects with a Problem where a file cannot be read; undefined when nothing gives a value. */
export async function find(
  option: string,
  declarations: OptionDeclarations,
  from: OptionSources,
): Promise<Found | undefined> {
  const outer = from.configFirst === true ? inConfig(option, from) : undefined;
  return (
    byFlag(option, from) ??
    outer ??
    (await inEnvironment(option, declarations, from)) ??
    inConfig(option, from) ??
    byDefault(option, declarations, from)
  );
}

function byFlag(option: string, { flags, plugin, cwd }: OptionSources): Found | undefined {
  const raw = flags?.[option];
  return raw === undefined
    ? undefined
    : { raw, source: flagOf(option, plugin), kind: "usage", folder: cwd };
}

/** An empty variable counts as absent: pipelines hand on variables that were never set as empty ones. */
async function inEnvironment(
  option: string,
  declarations: OptionDeclarations,
  from: OptionSources,
): Promise<Found | undefined> {
  const { env, cwd, plugin, signal } = from;
  const declaration = declarations[option];
  const names = declaration === undefined ? [] : variablesOf(option, declaration, plugin);
  for (const name of names) {
    const [raw = "", file = ""] = [env[name], env[`${name}_FILE`]];
    if (raw !== "")
      return { raw, source: name, kind: "usage", folder: cwd, reference: `env:${name}` };
    const source = `${name}_FILE`;
    if (file === "" || isVariable(source, declarations, plugin)) continue;
    const path = resolve(cwd, file);
    const content = await readSmallFile(path, signal, source);
    const reference = `file:${path}`;
    return { raw: content, source, kind: "usage", folder: cwd, literal: true, reference };
  }
  return undefined;
}

function inConfig(option: string, { config, cwd }: OptionSources): Found | undefined {
  if (config === undefined || !Object.hasOwn(config.values, option)) return undefined;
  const raw = config.values[option];
  if (raw === undefined) return undefined;
  const key = config.key === undefined ? option : `${config.key}.${option}`;
  const source = `${config.path}: ${key}`;
  return { raw, source, kind: "config", folder: config.folder ?? resolve(cwd, config.path, "..") };
}

function byDefault(
  option: string,
  declarations: OptionDeclarations,
  { cwd }: OptionSources,
): Found | undefined {
  const raw = declarations[option]?.default;
  if (raw === undefined) return undefined;
  return { raw, source: "default", kind: "usage", folder: cwd, fromDefault: true };
}
