import { assertPublicNames, parseIdentifiers } from "../acme/identifiers.ts";
import { unsuitable } from "../acme/keys.ts";
import { presetOf } from "../acme/presets.ts";
import {
  type CertificateRequest,
  type DeployStep,
  type DnsSetting,
  type HookSetting,
  reloadableServers,
} from "../certificate.ts";
import { profileOf } from "../config/assemble.ts";
import type { Config, ConfiguredCertificate } from "../config/config.ts";
import type { Context } from "../context.ts";
import type { OptionsOf } from "../options/declaration.ts";
import type { requestFlags, visibilityFlags } from "../options/declared/request.ts";
import { flagOf } from "../options/names.ts";
import { parsePlace } from "../options/place.ts";
import { quotedWord } from "../options/words.ts";
import type { Identifier } from "../plugin.ts";
import { resolversOf } from "../dns/server.ts";
import { asProblem, Problem } from "../problem.ts";
import { certificateFolderName } from "../state/folder/names.ts";
import {
  assertTarget,
  type GivenCsr,
  readCsrFile,
  readKeyFile,
  refuseSharedPath,
} from "./given-file.ts";
import { assertAhead, assertTerms, keyTypesOf, type Terms, type Written } from "./terms.ts";
import { daneBy } from "./dane.ts";
import { namesOf } from "./drift.ts";
import { composeIssuer } from "./issuer.ts";
import { solverSettings } from "./solvers.ts";

type Flags = OptionsOf<typeof requestFlags>;

/** The request that flags describe, with the config's defaults below them. Finds everything that can be wrong offline. */
export async function composeRequest(
  flags: Flags,
  config: Config,
  context: Context,
): Promise<CertificateRequest> {
  const csr = flags.csr === undefined ? undefined : await readCsrFile(flags.csr);
  if (csr === undefined && flags.domains === undefined) refuseConfigured(flags.name, config);
  const identifiers = identifiersOf(flags, csr);
  const issuers = issuersBy(flags, config);
  const issuer = issuers?.[0] ?? composeIssuer(flags, undefined, config);
  if (flags.selfCheckAt !== undefined) parsePlace(flags.selfCheckAt);
  const name = flags.name ?? identifiers[0]?.value ?? "";
  certificateFolderName(name);
  await assertFlagTargets(flags);
  const solvers = await solverSettings(flags, config.defaults.solvers, issuer, config, context);
  const written = writtenBy(name, config, context);
  const wanted = await withOwnKey(wantedBy(flags, config, context.cwd), written);
  const proof = solvers.length === 0 ? ("none" as const) : undefined;
  const dane = await daneBy(flags, config, context);
  const known = { name, identifiers, csr, issuer, issuers, solvers, proof, dane };
  const request = requestOf(wanted, known, written);
  refuseSharedPath(request, name);
  assertTerms(request, written);
  assertAhead(flags, written, context.clock.now());
  return request;
}

/** Its request is in the config, not on the command line. */
function refuseConfigured(name: string | undefined, { certificates, path }: Config): void {
  if (name === undefined || certificates[name] === undefined) return;
  throw new Problem("usage", {
    detail: `No name was given, and ${name} is a certificate of ${path}.`,
    hint: `Run \`acmectl apply\` to issue what the config wants, \`acmectl check ${quotedWord(name)}\` to look for what would prevent it.`,
  });
}

/** A request is typed, on defaults of the config. */
function writtenBy(place: string, { path }: Config, { sourceOf }: Context): Written {
  const named = (option: string) => {
    const source = sourceOf(option);
    return ["not given", "default"].includes(source) ? `${path}: defaults.${option}` : source;
  };
  return {
    place,
    named,
    wrong: (_, detail, hint) => new Problem("usage", { detail: `${place}: ${detail}`, hint }),
  };
}

/** The config's default ones, where --server does not choose a CA. */
function issuersBy(flags: Flags, config: Config): CertificateRequest["issuers"] {
  const { issuer, issuers = [] } = config.defaults;
  if (flags.server !== undefined || issuer !== undefined || issuers.length === 0) return undefined;
  // What flags say of an account is for the first one.
  const { staging } = flags;
  return issuers.map((one, index) => composeIssuer(index === 0 ? flags : { staging }, one, config));
}

/** The type of the user's own key is the certificate's. */
export async function withOwnKey<T extends Wanted>(
  wanted: T,
  { place, named }: Written,
): Promise<T> {
  const { privateKey, keyTypes, csr } = wanted;
  const [keyType, ...others] = [wanted.keyType, ...(keyTypes ?? [])].filter(Boolean);
  // Two of them are refused with the other contradictions.
  if (privateKey === undefined || csr !== undefined || others.length > 0) return wanted;
  const { type } = await readKeyFile(privateKey);
  if (keyType === undefined || keyType === type)
    return { ...wanted, keyType: type, keyTypes: undefined };
  throw new Problem("usage", {
    detail: `${place}: the private key ${privateKey} is ${type}, and the key type ${keyType} was asked for.`,
    hint: `Leave ${named(keyTypes === undefined ? "keyType" : "keyTypes")} out.`,
  });
}

type Keys = Pick<Wanted, "keyType" | "keyTypes">;
export type Wanted = Omit<ConfiguredCertificate, "domains">;
type Known = Pick<
  CertificateRequest,
  "name" | "fromConfig" | "identifiers" | "issuer" | "issuers" | "solvers" | "proof" | "dane"
> & { readonly csr: GivenCsr | undefined };

export function requestOf(
  wanted: Wanted,
  { name, fromConfig, csr, ...known }: Known,
  written: Written,
): CertificateRequest {
  const { pre, deploy, post, failure, requiredProfile } = wanted;
  if (presetOf(known.issuer.server) !== undefined) {
    // The rules of public CAs; a private CA decides for itself.
    assertPublicNames(known.identifiers);
    if (csr !== undefined && csr.keyType === undefined) throw unsuitable("The key of the CSR");
  }
  return {
    name,
    fromConfig,
    ...known,
    ...keyTypesOf(wanted, written),
    reuseKey: wanted.reuseKey ?? false,
    labels: wanted.labels,
    dns: wanted.dns,
    selfCheck: wanted.selfCheck ?? true,
    outputs: wanted.files,
    hooks: { pre, deploy, post, failure },
    csr: csr?.base64,
    preferredChain: wanted.preferredChain,
    selfCheckAt: wanted.selfCheckAt,
    windows: wanted.windows,
    renew: wanted.renew,
    freeze: wanted.freeze,
    temporary: wanted.temporary,
    privateKey: wanted.privateKey,
    mustStaple: wanted.mustStaple,
    duration: wanted.duration,
    notBefore: wanted.notBefore,
    notAfter: wanted.notAfter,
    profile: requiredProfile ?? wanted.profile,
    profileRequired: requiredProfile === undefined ? undefined : true,
  };
}

/** The flags as an entry of the config, over its defaults. */
function wantedBy(flags: Flags, { defaults, dns }: Config, cwd: string): Wanted {
  const commands = (texts: readonly string[] | undefined): HookSetting[] | undefined =>
    texts?.map((run) => ({ run, shell: true, cwd }));
  return {
    ...profileOf([flags, defaults]),
    ...keysBy(flags, defaults),
    reuseKey: flags.reuseKey ?? defaults.reuseKey,
    labels: flags.labels ?? {},
    dns: dnsSetting(flags, dns),
    selfCheck: flags.selfCheck && defaults.selfCheck !== false,
    selfCheckAt: flags.selfCheckAt ?? defaults.selfCheckAt,
    files: {
      fullchain: flags.fullchainFile,
      key: flags.keyFile,
      cert: flags.certFile,
      chain: flags.chainFile,
    },
    pre: commands(flags.preHook) ?? defaults.pre,
    deploy: stepsBy(flags, commands(flags.deployHook)) ?? defaults.deploy,
    post: commands(flags.postHook) ?? defaults.post,
    failure: commands(flags.failureHook) ?? defaults.failure,
    windows: defaults.windows,
    renew: defaults.renew,
    freeze: defaults.freeze,
    csr: flags.csr,
    ...termsBy(flags, defaults),
    temporary: flags.temporary ?? defaults.temporary,
    preferredChain: flags.preferredChain ?? defaults.preferredChain,
  };
}

/** A server is reloaded before the commands of the user, which may look at it. */
function stepsBy({ reload }: Flags, commands: HookSetting[] | undefined): DeployStep[] | undefined {
  if (reload === undefined) return commands;
  const servers = reloadableServers.filter((one) => reload.includes(one));
  return [...servers.map((one) => ({ reload: one })), ...(commands ?? [])];
}

/** What a flag says of either goes before both defaults. */
function keysBy(flags: Keys, defaults: Keys): Keys {
  const isGiven = flags.keyType !== undefined || flags.keyTypes !== undefined;
  const { keyType, keyTypes } = isGiven ? flags : defaults;
  return { keyType, keyTypes };
}

function termsBy(flags: Terms, defaults: Terms): Terms {
  return {
    privateKey: flags.privateKey ?? defaults.privateKey,
    mustStaple: flags.mustStaple ?? defaults.mustStaple,
    duration: flags.duration ?? defaults.duration,
    notBefore: flags.notBefore ?? defaults.notBefore,
    notAfter: flags.notAfter ?? defaults.notAfter,
  };
}

/** What cannot be written is found before the order, unless a pre hook may still create it. */
async function assertFlagTargets(flags: Flags): Promise<void> {
  if (flags.preHook !== undefined) return;
  for (const option of ["fullchainFile", "keyFile", "certFile", "chainFile"] as const) {
    const path = flags[option];
    if (path !== undefined) await assertTarget(path, flagOf(option));
  }
}

/** The names of the CSR; `-d` must name the same. */
function identifiersOf({ domains }: Flags, csr: GivenCsr | undefined): readonly Identifier[] {
  if (csr === undefined) return parseIdentifiers(domains ?? []);
  const asked = domains === undefined ? csr.identifiers : parseIdentifiers(domains);
  if (namesOf(asked) === namesOf(csr.identifiers)) return csr.identifiers;
  throw new Problem("usage", {
    detail: `The signing request of --csr is for ${namesOf(csr.identifiers)}, but --domains names ${namesOf(asked)}.`,
    hint: "Leave --domains out: the certificate signing request names the domains.",
  });
}

export function dnsSetting(
  flags: Omit<OptionsOf<typeof visibilityFlags>, "selfCheck" | "selfCheckAt">,
  dns: DnsSetting,
): DnsSetting {
  const { dnsResolvers = [] } = flags;
  // Before anything is tried with them.
  if (dnsResolvers.length > 0) assertResolvers(dnsResolvers);
  return {
    cname: flags.dnsCname ?? dns.cname,
    resolvers: flags.dnsResolvers ?? dns.resolvers,
    authoritative: flags.dnsAuthoritative ? dns.authoritative : false,
    authoritativePort: flags.dnsPort ?? dns.authoritativePort,
    recursive: flags.dnsRecursive ?? dns.recursive,
    timeout: flags.dnsTimeout ?? dns.timeout,
    interval: flags.dnsInterval ?? dns.interval,
    settle: flags.dnsSettle ?? dns.settle,
    wait: flags.dnsWait ?? dns.wait,
  };
}

function assertResolvers(resolvers: readonly string[]): void {
  try {
    resolversOf(resolvers);
  } catch (cause) {
    const { message, hint } = asProblem(cause);
    throw new Problem("usage", { detail: `--dns-resolvers: ${message}`, hint, cause });
  }
}
