/** The dotted keys that a config file has or may have, for completion. */
import { isRecord } from "../json.ts";
import { exists, openFile } from "./conf.ts";
import { sections } from "./sections.ts";

/** Every key of the file, and for its sections and entries also the options that they may have. */
export async function configKeys(path: string): Promise<readonly string[]> {
  const value = exists(path) ? (await openFile(path, true)).value : {};
  return [...written(value), ...possible(value)];
}

function written(value: unknown, above = ""): readonly string[] {
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, below]) => [
    `${above}${key}`,
    ...written(below, `${above}${key}.`),
  ]);
}

function possible(value: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(sections).flatMap(([name, { entries, shape }]) => {
    const options = Object.keys(shape.options);
    return foldersOf(name, entries, value).flatMap((folder) =>
      options.map((option) => `${folder}.${option}`),
    );
  });
}

function foldersOf(
  name: string,
  entries: boolean,
  value: Readonly<Record<string, unknown>>,
): readonly string[] {
  if (!entries) return [name];
  const section = value[name];
  return isRecord(section) ? Object.keys(section).map((entry) => `${name}.${entry}`) : [];
}
