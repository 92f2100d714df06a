import type { CertificateRequest, DaneSetting, SolverSetting } from "../certificate.ts";
import type { Config, ConfiguredCertificate } from "../config/config.ts";
import type { Context } from "../context.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { requestFlags } from "../options/declared/request.ts";
import { quotedWord } from "../options/words.ts";
import type { Identifier, SolverPlugin } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { selectSolvers } from "../solvers/select.ts";
import { fromConfig, fromFlag } from "./solvers.ts";

/** What the flags ask for. */
export async function daneBy(
  flags: OptionsOf<typeof requestFlags>,
  config: Config,
  context: Context,
): Promise<DaneSetting | undefined> {
  const { danePorts, daneSolver } = flags;
  if (danePorts === undefined && daneSolver !== undefined)
    throw new Problem("usage", {
      detail: "--dane-solver was given without --dane-ports.",
      hint: "Add --dane-ports, e.g. --dane-ports 25,465,587.",
    });
  if (danePorts === undefined) return undefined;
  const solver =
    daneSolver === undefined ? undefined : await fromFlag(daneSolver, flags, config, context);
  return { ports: portsOf(danePorts, "--dane-ports"), solver };
}

/** What a certificate of the config asks for. */
export function daneOf(
  dane: ConfiguredCertificate["dane"],
  place: string,
  config: Config,
): DaneSetting | undefined {
  if (dane === undefined) return undefined;
  const solver = dane.solver === undefined ? undefined : fromConfig(dane.solver, config);
  return { ports: portsOf(dane.ports, `${place}.ports`), solver };
}

/** The ports of `dane`; a Problem for what is not one. */
function portsOf(texts: readonly string[], place: string): DaneSetting["ports"] {
  const ports = texts.map((text) => (/^\d{1,5}$/.test(text) ? Number(text) : 0));
  const wrong = texts.find((_, index) => ports[index] === 0 || (ports[index] ?? 0) > 65_535);
  if (wrong === undefined && ports.length > 0) return [...new Set(ports)];
  throw new Problem("usage", {
    detail: wrong === undefined ? `${place} names no port.` : `${place}: "${wrong}" is not a port.`,
    hint: "Give the ports of the services that use the certificate, e.g. 25,465,587.",
  });
}

/** The names that get TLSA records. A wildcard has none: the services below it have names of their own. */
function daneNames({
  identifiers,
}: Pick<CertificateRequest, "identifiers">): readonly Identifier[] {
  return identifiers.filter(({ type, value }) => type === "dns" && !value.startsWith("*."));
}

export interface Writer {
  readonly identifier: Identifier;
  /** With the DNS setting in force for it. */
  readonly setting: SolverSetting;
}

/** Who writes the TLSA records of each name: the first of its dns-01 solvers that can. Offline; a Problem if there is none. */
export async function tlsaWriters(
  request: CertificateRequest,
  load: (setting: SolverSetting) => Promise<SolverPlugin>,
): Promise<readonly Writer[]> {
  const { dane, solvers, labels, dns, name } = request;
  const asked = dane?.solver === undefined ? solvers : [dane.solver];
  const loaded = await Promise.all(
    asked.map(async (given) => {
      const setting = { ...given, dns: { ...dns, ...given.dns } };
      return { setting, plugin: await load(setting) };
    }),
  );
  const able = loaded.filter(({ plugin }) => plugin.recordTypes?.includes("TLSA") === true);
  const names = daneNames(request);
  if (names.length === 0)
    throw new Problem("usage", {
      title: "No name for TLSA records",
      detail: `${name} has no DNS name that is not a wildcard, so it can have no TLSA records.`,
      hint: "Add the names of the servers, e.g. mail.example.com, or leave dane out.",
    });
  return names.map((identifier) => {
    const [first] = selectSolvers(identifier, labels, able).filter(({ challengeTypes }) =>
      challengeTypes.includes("dns-01"),
    );
    if (first === undefined) throw noWriter(identifier, asked);
    return { identifier, setting: first.setting };
  });
}

function noWriter({ value }: Identifier, asked: readonly SolverSetting[]): Problem {
  const names = asked.map(({ name }) => name).join(", ");
  return new Problem("usage", {
    title: "No solver can write TLSA records",
    detail: `${names === "" ? "No solver was given that" : `None of the solvers (${names})`} writes TLSA records for ${quotedWord(value)}.`,
    hint: "Name one as the solver of dane (--dane-solver): rfc2136, route53, google, azure or cloudflare.",
  });
}
