import { resolve } from "node:path";
import type { IssuerSetting, SolverSelector, SolverSetting } from "../certificate.ts";
import type { Config, ConfiguredSolver } from "../config/config.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { requestFlags } from "../options/declared/request.ts";
import { Problem } from "../problem.ts";
import { loadSolver } from "../solvers/registry.ts";
import type { Context } from "../context.ts";
import { rememberOptions } from "../solvers/remember.ts";
import { resolveSolver } from "../solvers/open.ts";

type Flags = Pick<OptionsOf<typeof requestFlags>, "solver" | "standalone" | "webroot" | "dns">;

/**
 * The solvers of a request: those that flags choose, else those of `names` (what a certificate of the config says), else all
 * of the config. The embedded CA is answered by `standalone` when nobody says otherwise.
 */
export async function solverSettings(
  flags: Flags,
  names: readonly string[] | undefined,
  issuer: IssuerSetting,
  config: Config,
  context: Context,
): Promise<readonly SolverSetting[]> {
  const asked = [...(flags.solver ?? []), ...shorthands(flags)];
  if (asked.length > 0) {
    return Promise.all(asked.map((text) => fromFlag(text, flags, config, context)));
  }
  const chosen = names ?? Object.keys(config.solvers);
  if (chosen.length > 0) return chosen.map((name) => fromConfig(name, config));
  if (issuer.server === "local") return [{ name: "standalone", use: "standalone", options: {} }];
  throw new Problem("usage", {
    title: "No solver",
    detail: "Nothing says who proves control of the names, and the config has no solvers.",
    hint: "Add --standalone (a web server of acmectl's own on port 80), --webroot PATH (the folder of yours), or --solver NAME for DNS; `acmectl solvers list` shows them all.",
  });
}

/** A solver as the config declares it. */
export function fromConfig(name: string, config: Config): SolverSetting {
  const configured = config.solvers[name];
  if (configured === undefined) {
    throw new Problem("config", {
      detail: `${config.path} has no solver "${name}".`,
      hint: `It has ${Object.keys(config.solvers).join(", ") || "none"}.`,
    });
  }
  const { use, options, select, dns } = configured;
  return {
    name,
    use,
    options,
    from: config.path,
    ...(isShared(configured, config) ? { shared: true } : {}),
    ...(select === undefined ? {} : { select }),
    ...(dns === undefined ? {} : { dns }),
  };
}

function isShared({ use }: ConfiguredSolver, config: Config): boolean {
  return Object.values(config.solvers).filter((solver) => solver.use === use).length > 1;
}

function shorthands({ standalone, webroot, dns }: Flags): readonly string[] {
  return [
    ...(standalone === true ? ["standalone"] : []),
    ...(webroot === undefined ? [] : ["webroot"]),
    ...(dns === undefined ? [] : [dns]),
  ];
}

/** `NAME` answers for all names, `ZONE=NAME` for a zone or an exact wildcard. */
async function fromFlag(
  text: string,
  flags: Flags,
  config: Config,
  context: Context,
): Promise<SolverSetting> {
  const { name, select } = splitZone(text);
  if (config.solvers[name] !== undefined) {
    const { select: _, ...setting } = fromConfig(name, config);
    return select === undefined ? setting : { ...setting, select };
  }
  const loaded = await loadSolver(name, context);
  const use = /^\.{1,2}\//.test(name) ? resolve(context.cwd, name) : name;
  const given =
    loaded.name === "webroot" && flags.webroot !== undefined ? { directory: flags.webroot } : {};
  const setting = {
    name: loaded.name,
    use,
    options: given,
    ...(select === undefined ? {} : { select }),
  };
  const resolved = await resolveSolver(setting, loaded, context);
  return {
    ...setting,
    options: { ...given, ...rememberOptions(loaded.plugin.options, resolved, context) },
  };
}

function splitZone(text: string): { name: string; select?: SolverSelector } {
  const at = /^[./]/.test(text) ? -1 : text.indexOf("=");
  if (at === -1) return { name: text };
  const zone = text.slice(0, at).toLowerCase();
  const name = text.slice(at + 1);
  if (zone === "" || name === "") {
    throw new Problem("usage", {
      detail: `--solver: "${text}" lacks the ${zone === "" ? "zone before" : "solver behind"} the =.`,
      hint: "Write --solver NAME for all names, or --solver example.com=NAME for those in a zone.",
    });
  }
  return { name, select: zone.startsWith("*.") ? { names: [zone] } : { zones: [zone] } };
}
