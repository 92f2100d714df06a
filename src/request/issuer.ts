import { readEmail } from "../acme/registration.ts";
import { limitsOf } from "../acme/limits.ts";
import { resolveServer, stagingOf } from "../acme/presets.ts";
import type { IssuerSetting } from "../certificate.ts";
import { readAt } from "../config/mistakes.ts";
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
  const given = <K extends keyof Flags & keyof ConfiguredIssuer>(key: K) =>
    flags[key] ?? configured[key];
  const email = given("email");
  // What means nothing is found now, and not when a limit is near.
  const [name] = Object.entries(config.issuers).find(([, one]) => one === configured) ?? [];
  const place = ["issuers", name ?? server, "limits"];
  for (const [limit, granted] of Object.entries(configured.limits ?? {}))
    readAt(config, [...place, limit], () =>
      limitsOf(server, { [limit]: granted }, place.join(".")),
    );
  return {
    server,
    agreeTos: given("agreeTos") ?? false,
    email: email === undefined ? undefined : readEmail(email),
    eabKid: given("eabKid"),
    eabHmac: given("eabHmac"),
    eabHmacAlg: given("eabHmacAlg"),
    zerosslApiKey: given("zerosslApiKey"),
    caBundle: given("caBundle"),
    clientCert: given("clientCert"),
    clientKey: given("clientKey"),
    limits: configured.limits,
    accounts: configured.accounts,
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
