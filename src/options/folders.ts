/** The default places of the state and the config. */
import { isAbsolute, join } from "node:path";
import { Problem } from "../problem.ts";

/** Whose folders they are. */
export interface User {
  readonly uid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** `/var/lib/acmectl` for root, else the XDG state folder. Throws a Problem when the user has no home. */
export function defaultStateFolder(user: User): string {
  if (user.uid === 0) return "/var/lib/acmectl";
  return join(baseFolder(user, "XDG_STATE_HOME", ".local/state", "state"), "acmectl");
}

/** `/etc/acmectl/config.yaml` for root, else in the XDG config folder. Throws a Problem when the user has no home. */
export function defaultConfigFile(user: User): string {
  if (user.uid === 0) return "/etc/acmectl/config.yaml";
  return join(baseFolder(user, "XDG_CONFIG_HOME", ".config", "config"), "acmectl", "config.yaml");
}

/** By the XDG base directory specification, a relative path in such a variable is to be ignored. */
function baseFolder({ env }: User, variable: string, inHome: string, option: string): string {
  const chosen = env[variable];
  if (chosen !== undefined && isAbsolute(chosen)) return chosen;
  const home = env["HOME"];
  if (home !== undefined && isAbsolute(home)) return join(home, inHome);
  throw new Problem("usage", {
    detail: `acmectl has no default folder for its ${option}: neither ${variable} nor HOME is set to an absolute path.`,
    hint: `Give --${option}, or set ACMECTL_${option.toUpperCase()} or HOME.`,
  });
}
