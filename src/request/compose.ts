import { parseIdentifiers } from "../acme/identifiers.ts";
import type { CertificateRequest, DnsSetting } from "../certificate.ts";
import type { Config, ConfiguredHooks } from "../config/config.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { requestFlags, visibilityFlags } from "../options/declared/request.ts";
import type { Identifier } from "../plugin.ts";
import { Problem } from "../problem.ts";
import type { Context } from "../context.ts";
import { given, profileOf } from "./compose-config.ts";
import { readCsrFile, type GivenCsr } from "./csr-file.ts";
import { certificateFolderName } from "../state/folder/names.ts";
import { composeIssuer } from "./issuer.ts";
import { parsePlace } from "../issue/self-check.ts";
import { solverSettings } from "./solvers.ts";

type Flags = OptionsOf<typeof requestFlags>;

/** The request that flags describe, with the config's defaults below them. Everything that can be wrong offline is told here. */
export async function composeRequest(
  flags: Flags,
  config: Config,
  context: Context,
): Promise<CertificateRequest> {
  const csr = flags.csr === undefined ? undefined : await readCsrFile(flags.csr);
  const identifiers = namesOf(flags, csr);
  const issuer = composeIssuer(flags, undefined, config);
  const wanted = { ...config.defaults, ...given(flags) };
  if (wanted.selfCheckAt !== undefined) parsePlace(wanted.selfCheckAt);
  const name = wanted.name ?? identifiers[0]?.value ?? "";
  certificateFolderName(name);
  return {
    name,
    identifiers,
    keyType: wanted.keyType ?? "ec256",
    reuseKey: wanted.reuseKey ?? false,
    labels: wanted.labels ?? {},
    issuer,
    solvers: await solverSettings(flags, config.defaults.solvers, issuer, config, context),
    dns: { ...config.dns, ...dnsSetting(flags) },
    selfCheck: flags.selfCheck && config.defaults.selfCheck !== false,
    outputs: given({
      fullchain: flags.fullchainFile,
      key: flags.keyFile,
      cert: flags.certFile,
      chain: flags.chainFile,
    }),
    hooks: hooksOf(flags, config.defaults, context.cwd),
    ...given({
      csr: csr?.base64,
      preferredChain: wanted.preferredChain,
      selfCheckAt: wanted.selfCheckAt,
    }),
    ...profileOf(wanted),
  };
}

/** A CSR names what it is for; `-d` beside it must say the same. */
function namesOf({ domains }: Flags, csr: GivenCsr | undefined): readonly Identifier[] {
  if (csr === undefined) return parseIdentifiers(domains ?? []);
  const asked = domains === undefined ? csr.identifiers : parseIdentifiers(domains);
  if (list(asked).join() === list(csr.identifiers).join()) return csr.identifiers;
  throw new Problem("usage", {
    detail: `--csr is for ${list(csr.identifiers).join(", ")}, and --domains says ${list(asked).join(", ")}.`,
    hint: "Leave --domains out: the certificate signing request names what it is for.",
  });
}

function list(names: readonly Identifier[]): readonly string[] {
  return names.map(({ value }) => value).toSorted();
}

export function dnsSetting(
  flags: Omit<OptionsOf<typeof visibilityFlags>, "selfCheck" | "selfCheckAt">,
): DnsSetting {
  return given({
    cname: flags.dnsCname,
    resolvers: flags.dnsResolvers,
    authoritative: flags.dnsAuthoritative ? undefined : false,
    authoritativePort: flags.dnsPort,
    recursive: flags.dnsRecursive,
    timeout: flags.dnsTimeout,
    interval: flags.dnsInterval,
    settle: flags.dnsSettle,
    wait: flags.dnsWait,
  });
}

/** Each list of commands from the flags, else from the config's defaults. */
function hooksOf(
  flags: Flags,
  { pre, deploy, post, failure }: ConfiguredHooks,
  cwd: string,
): CertificateRequest["hooks"] {
  const commands = (texts: readonly string[] | undefined) =>
    texts?.map((run) => ({ run, shell: true, cwd }));
  return given({
    pre: commands(flags.preHook) ?? pre,
    deploy: commands(flags.deployHook) ?? deploy,
    post: commands(flags.postHook) ?? post,
    failure: commands(flags.failureHook) ?? failure,
  });
}
