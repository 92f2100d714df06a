import { readEmail } from "../acme/registration.ts";
import { limitsOf } from "../acme/limits.ts";
import { resolveServer, stagingOf } from "../acme/presets.ts";
import type { IssuerSetting } from "../certificate.ts";
import type { Config, ConfiguredIssuer } from "../config/config.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { issuerFlags } from "../options/declared/account.ts";
import { Problem } from "../problem.ts";

type Flags = { readonly [K in keyof typeof issuerFlags]?: OptionsOf<typeof issuerFlags>[K] };

/** The issuer of a request: `--server` (an issuer of the config, a preset or a URL), the config's default or only one, Let's Encrypt. */
export function composeIssuer(
  flags: Flags,
  named: string | undefined,
  config: Config,
): IssuerSetting {
  const configured = chosenIssuer(flags.server ?? named ?? config.defaults.issuer, config);
  const server = serverOf(configured.server, flags.staging === true);
  const email = flags.email ?? configured.email;
  // What means nothing is found now, and not when a limit is near.
  limitsOf(server, configured.limits);
  return {
    server,
    agreeTos: flags.agreeTos ?? configured.agreeTos ?? false,
    email: email === undefined ? undefined : readEmail(email),
    eabKid: flags.eabKid ?? configured.eabKid,
    eabHmac: flags.eabHmac ?? configured.eabHmac,
    eabHmacAlg: flags.eabHmacAlg ?? configured.eabHmacAlg,
    zerosslApiKey: flags.zerosslApiKey ?? configured.zerosslApiKey,
    caBundle: flags.caBundle ?? configured.caBundle,
    clientCert: flags.clientCert ?? configured.clientCert,
    clientKey: flags.clientKey ?? configured.clientKey,
    limits: configured.limits,
  };
}

/** The config's entry for the issuer that a request names; for an unknown name, the server alone. */
export function chosenIssuer(name: string | undefined, config: Config): ConfiguredIssuer {
  const names = Object.keys(config.issuers);
  const chosen = name ?? (names.length === 1 ? names[0] : undefined);
  if (chosen === undefined) return { server: "letsencrypt" };
  return config.issuers[chosen] ?? { server: chosen };
}

function serverOf(text: string, staging: boolean): string {
  const server = resolveServer(text);
  if (!staging) return server;
  const counterpart = stagingOf(server);
  if (counterpart !== undefined) return counterpart;
  throw new Problem("usage", {
    detail: `--staging: acmectl knows no staging environment of ${text}.`,
    hint: "Give its directory with --server URL, or use --server local.",
  });
}
