import { unwatchFile, watchFile } from "node:fs";
import type { Config } from "../config/config.ts";
import { loadConfig } from "../config/file.ts";
import type { Context } from "../context.ts";
import { Problem } from "../problem.ts";
import { composeConfigured } from "../request/configured.ts";
import { solverOptions } from "../solvers/options.ts";

/** The config in force. */
export interface Settings {
  config(): Promise<Config>;
  /** Read the file again. One that cannot be used is reported, and the config in force stays. */
  reload(): Promise<Problem | undefined>;
  /** Call `listener` when the file changes; returns what ends that. */
  onChange(listener: () => void): () => void;
}

/** Rejects if the config cannot be used. */
export async function openSettings(context: Context): Promise<Settings> {
  const { configPath } = context;
  const isNamed = context.sourceOf("config") !== "not given";
  let config = await readAll(context, isNamed);
  return {
    config: () => Promise.resolve(config),
    async reload() {
      try {
        // A file that is gone for a moment, while an editor replaces it, must not end the renewal of what it has.
        config = await readAll(context, isNamed || config.exists);
        return undefined;
      } catch (error) {
        if (!Problem.is(error)) throw error;
        return error;
      }
    },
    onChange(listener) {
      // By looking, since that follows links and works for mounted files.
      watchFile(configPath, { interval: 2_000, persistent: false }, listener);
      return () => unwatchFile(configPath, listener);
    },
  };
}

/** With everything that can be checked offline, as `config validate` does. */
async function readAll(context: Context, explicit: boolean): Promise<Config> {
  const config = await loadConfig(context.configPath, {
    explicit,
    solverOptions: solverOptions(context),
    meaning: true,
  });
  await composeConfigured(config);
  return config;
}
