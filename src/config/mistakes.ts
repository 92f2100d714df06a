/** Mistakes that are found when the config is used, with their places in the file. Loads no YAML. */
import { asProblem, Problem } from "../problem.ts";
import type { Config } from "./config.ts";
import type { Fault, Keys } from "./yaml.ts";

type Place = Pick<Config, "path" | "mistake">;

export function mistakeIn({ path, mistake }: Place, fault: Fault): Problem {
  const { message, hint } = fault;
  return mistake?.(fault) ?? new Problem("config", { detail: `${path}: ${message}`, hint });
}

/** What `read` returns; its Problem is a mistake there. */
export function readAt<T>(config: Place, keys: Keys, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { message, hint } = asProblem(error);
    const place = keys.slice(0, 3).join(".");
    const said = message.startsWith(place) ? message : `${place}: ${message}`;
    throw mistakeIn(config, { keys, message: said, hint });
  }
}
