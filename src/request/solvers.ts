import { resolve } from "node:path";
import { traitsOf } from "../acme/presets.ts";
import type { IssuerSetting, SolverSelector, SolverSetting } from "../certificate.ts";
import type { Config } from "../config/config.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { requestFlags } from "../options/declared/request.ts";
import { Problem } from "../problem.ts";
import { loadSolver } from "../solvers/registry.ts";
import type { Context } from "../context.ts";
import { rememberOptions } from "../solvers/options.ts";
import { resolveSolver } from "../solvers/open.ts";

type Flags = Pick<
  OptionsOf<typeof requestFlags>,
  "solver" | "standalone" | "tlsAlpn" | "webroot" | "dns" | "challenge"
>;

/** The solvers of a request: those that flags choose, else those of the config. Empty for `none`. */
export async function solverSettings(
  flags: Flags,
  names: readonly string[] | undefined,
  issuer: IssuerSetting,
  config: Config,
  context: Context,
): Promise<readonly SolverSetting[]> {
  const { challenge } = flags;
  const chosen = await chosenSolvers(flags, names, issuer, config, context);
  return challenge === undefined ? chosen : chosen.map((setting) => ({ ...setting, challenge }));
}

async function chosenSolvers(
  flags: Flags,
  names: readonly string[] | undefined,
  issuer: IssuerSetting,
  config: Config,
  context: Context,
): Promise<readonly SolverSetting[]> {
  const { solver = [], standalone, tlsAlpn, webroot, dns } = flags;
  const shorthands = [standalone && "standalone", tlsAlpn && "tls-alpn", webroot && "webroot", dns];
  const asked = [...solver, ...shorthands.filter((name) => typeof name === "string")];
  if (isNone(asked, config)) return [];
  if (asked.length > 0) {
    return Promise.all(asked.map((text) => fromFlag(text, flags, config, context)));
  }
  // This type needs nothing but the records that are in the DNS already.
  if (flags.challenge === "dns-persist-01") return [ownSolver("dns-persist")];
  const own = flags.challenge === "tls-alpn-01" ? "tls-alpn" : "standalone";
  const chosen = configuredSolvers(names, issuer, config, own);
  if (chosen.length > 0 || isNone(names ?? [], config)) return chosen;
  throw new Problem("usage", {
    title: "No solver",
    detail: "No solver was given, and the config file defines none.",
    hint: `Add ${waysTo(flags.challenge)}; \`acmectl solvers list\` shows them all.`,
  });
}

/** What may be given for a challenge type, or for any. */
function waysTo(challenge: string | undefined): string {
  const http =
    "--standalone (acmectl's own web server on port 80), --webroot PATH (the folder of your web server)";
  const tls = "--tls-alpn (acmectl's own TLS server on port 443)";
  const dns = "--solver NAME for DNS";
  if (challenge === undefined) return `${http}, ${tls}, or ${dns}`;
  if (challenge === "http-01") return `${http}, or --solver NAME`;
  return challenge === "tls-alpn-01" ? `${tls}, or --solver NAME` : dns;
}

/** Those of `names`, else all; for the embedded CA at last acmectl's `own`. Empty for `none`. */
export function configuredSolvers(
  names: readonly string[] | undefined,
  { server }: IssuerSetting,
  config: Config,
  own = "standalone",
): readonly SolverSetting[] {
  const chosen = names ?? Object.keys(config.solvers);
  if (isNone(chosen, config)) return [];
  if (chosen.length === 0 && traitsOf(server).connectsHere) return [ownSolver(own)];
  return chosen.map((name) => fromConfig(name, config));
}

const ownSolver = (name: string): SolverSetting => ({ name, use: name, options: {} });

/** True where no solver is wanted, since the CA asks for no proof. */
export function isNone(names: readonly string[], { solvers }: Config): boolean {
  return names.length === 1 && names[0] === "none" && solvers["none"] === undefined;
}

/** A solver as the config declares it. */
export function fromConfig(name: string, config: Config): SolverSetting {
  const configured = config.solvers[name];
  if (configured === undefined) {
    throw new Problem("config", {
      detail: `${config.path} does not define the solver "${name}".`,
      hint: `Use one that it defines: ${Object.keys(config.solvers).join(", ") || "none yet"}.`,
    });
  }
  const alike = Object.values(config.solvers).filter(({ use }) => use === configured.use);
  const shared = alike.length > 1 ? true : undefined;
  return { ...configured, name, from: config.path, shared };
}

/** `NAME` answers for all names, `ZONE=NAME` for a zone or an exact wildcard. */
export async function fromFlag(
  text: string,
  flags: Flags,
  config: Config,
  context: Context,
): Promise<SolverSetting> {
  const { name, select } = splitZone(text);
  if (config.solvers[name] !== undefined) return { ...fromConfig(name, config), select };
  const loaded = await loadSolver(name, context);
  const use = /^\.{1,2}\//.test(name) ? resolve(context.cwd, name) : name;
  const given =
    loaded.name === "webroot" && flags.webroot !== undefined ? { directory: flags.webroot } : {};
  const setting = { name: loaded.name, use, options: given, select };
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
      detail: `--solver: "${text}" has no ${zone === "" ? "zone before" : "solver after"} the =.`,
      hint: "Write --solver NAME for all names, or --solver example.com=NAME for those in a zone.",
    });
  }
  return { name, select: zone.startsWith("*.") ? { names: [zone] } : { zones: [zone] } };
}
