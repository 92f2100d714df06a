/** The only code that opens the config file: through `conf`, or anew. */
import { constants, existsSync, lstatSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname } from "node:path";
import { env } from "node:process";
import { codeOf, systemReason } from "../errors.ts";
import { Problem } from "../problem.ts";
import { parseYaml, type YamlFile } from "./yaml.ts";

/** conf makes the folder of a file that it does not find, so it is asked only for files that are there. */
export async function openFile(path: string, needed: boolean): Promise<YamlFile> {
  if (!exists(path)) {
    if (!needed) return parseYaml("", path);
    throw new Problem("config", {
      detail: `The config file ${path} does not exist.`,
      hint: "Check --config and ACMECTL_CONFIG, or run `acmectl config init` to write a first file.",
    });
  }
  let file: YamlFile | undefined;
  await throughConf(path, "read", {
    deserialize: (text) => ({ ...(file ??= parseYaml(text, path)).value }),
  });
  if (file === undefined) throw new TypeError(`${path} was not read.`);
  return file;
}

/** Writes what `after` says under its key `top`. Rejects when the file is no longer what was read before. */
export async function write(
  path: string,
  before: string,
  after: YamlFile,
  top: string,
): Promise<void> {
  const deserialize = (text: string) => {
    if (text === before) return { ...parseYaml(text, path).value };
    throw new Problem("config", {
      detail: `Another program changed ${path} at the same moment; its change was kept.`,
      hint: "Run the command again.",
    });
  };
  const format = { deserialize, serialize: () => after.text };
  await throughConf(path, "written", format, (conf) => conf.set(top, after.value[top]));
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
      detail: `${path} exists already and was not changed.`,
      hint: "Change it with `acmectl config set KEY VALUE` or an editor, or give another file with --config.",
    });
  }
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
  const { default: Conf } = await loadConf();
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

/** `conf` asks for the home directory when it is loaded, which throws without HOME and a passwd entry. */
async function loadConf(): Promise<typeof import("conf")> {
  try {
    homedir();
    return await import("conf");
  } catch {
    env["HOME"] = "/";
    try {
      return await import("conf");
    } finally {
      delete env["HOME"];
    }
  }
}

/** A link that leads nowhere is a mistake, not an absent file. */
export function exists(path: string): boolean {
  if (existsSync(path)) return true;
  try {
    if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return false;
  } catch (error) {
    throw unusable(path, "read", error);
  }
  throw new Problem("config", {
    detail: `The config file ${path} is a symbolic link to a file that does not exist.`,
  });
}

function unusable(path: string, purpose: string, error: unknown): Problem {
  return new Problem("machine", {
    detail: `The config file ${path} cannot be ${purpose}: ${systemReason(error)}.`,
    hint: "Check the path and its permissions.",
    cause: error,
  });
}
