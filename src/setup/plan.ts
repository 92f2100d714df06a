/** From the answers to what is done: command lines, an entry of the config, lines for the server. */
import { stringify } from "yaml";
import { presetOf, resolveServer, stagingOf } from "../acme/presets.ts";
import { certificateOptions, dnsOptions, issuerOptions } from "../config/config.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { formatDuration } from "../options/duration.ts";
import { quotedWord } from "../options/words.ts";
import { type Known, namesOf, serverOf } from "./known.ts";
import { consumerOf, filesOf, type Files, linesFor } from "./placement.ts";
import { credentialOf, rootsOf } from "./proof.ts";
import { type GivenFlags, issueLine, type SolverFlags } from "./command-line.ts";

export interface Plan {
  readonly name: string;
  /** What `issue` gets. */
  readonly flags: GivenFlags;
  readonly solverFlags: SolverFlags;
  /** A solver for the config, where it has a reference to a secret. */
  readonly setting?: { readonly key: string; readonly value: string } | undefined;
  /** What to type for the same, in this order. */
  readonly commands: readonly string[];
  /** The same as YAML. */
  readonly config: string;
  readonly server?: ServerLines | undefined;
}

export interface ServerLines {
  readonly kind: string;
  readonly file?: string | undefined;
  /** The certificate that it reads now. */
  readonly current?: string | undefined;
  /** Undefined where the server reads these files already. */
  readonly lines?: string | undefined;
}

export function planOf(known: Known, typed: SolverFlags): Plan {
  const { answers, given, own } = known;
  const names = namesOf(known);
  const name = given.name ?? names[0] ?? "";
  const consumer = consumerOf(known);
  const files = filesOf(answers, consumer, own);
  const proof = proofOf(known);
  const flags: GivenFlags = {
    ...given,
    domains: given.csr === undefined ? names : undefined,
    ...accountOf(known),
    ...proof.flags,
    ...(files.isCopy ? { fullchainFile: files.fullchain, keyFile: files.key } : {}),
    ...(answers.reload === true && consumer !== undefined ? { reload: [consumer.kind] } : {}),
  };
  const solverFlags = { ...typed, ...proof.solverFlags };
  const setting = settingOf(known);
  const first =
    setting === undefined
      ? []
      : [`acmectl config set ${quotedWord(setting.key)} ${quotedWord(setting.value)}`];
  return {
    name,
    flags,
    solverFlags,
    setting,
    commands: [...first, issueLine(flags, solverFlags), "acmectl schedule install"],
    config: configOf(name, flags, solverFlags, known),
    server: consumer && {
      kind: consumer.kind,
      file: consumer.site.file,
      current: consumer.site.certificate,
      lines: linesFor(consumer, wanted(given, files)),
    },
  };
}

function wanted({ fullchainFile, keyFile }: GivenFlags, files: Files): Files {
  return { fullchain: fullchainFile ?? files.fullchain, key: keyFile ?? files.key };
}

function accountOf({ answers, given }: Known): GivenFlags {
  const { email = "", agreeTos, eabKid, eabHmac } = answers;
  const asked = email.trim();
  return {
    server: serverOf({ answers, given }),
    email: given.email ?? (asked === "" ? undefined : asked),
    agreeTos: given.agreeTos ?? agreeTos,
    eabKid: given.eabKid ?? eabKid?.trim(),
    eabHmac: given.eabHmac ?? eabHmac,
  };
}

type Proof = Pick<Plan, "flags" | "solverFlags">;

function proofOf(known: Known): Proof {
  const { proof, webroot } = known.answers;
  if (proof === undefined) return alone({});
  if (proof === "standalone") return alone({ standalone: true });
  if (proof === "tls-alpn") return alone({ tlsAlpn: true });
  if (proof === "webroot") return alone({ webroot });
  if (proof !== "sites") return alone({ solver: [proof] });
  const roots = rootsOf(namesOf(known), known.findings.servers) ?? new Map<string, string>();
  const [folder, ...others] = new Set(roots.values());
  if (others.length === 0) return alone({ webroot: folder });
  return {
    flags: { solver: ["webroot"] },
    solverFlags: { webroot: { directories: Object.fromEntries(roots) } },
  };
}

const alone = (flags: GivenFlags): Proof => ({ flags, solverFlags: {} });

function settingOf({ answers: { proof = "", credential } }: Known): Plan["setting"] {
  const needed = credentialOf(proof);
  if (needed === undefined || credential === undefined) return undefined;
  const value = JSON.stringify({ use: proof, [needed.option]: credential });
  return { key: `solvers.${proof}`, value };
}

function configOf(name: string, flags: GivenFlags, typed: SolverFlags, known: Known): string {
  const { fullchainFile: fullchain, keyFile: key, certFile: cert, chainFile: chain } = flags;
  const { danePorts, daneSolver } = flags;
  const server = configuredServer(flags);
  const issuer = presetOf(resolveServer(server))?.name ?? (server === "local" ? "local" : "ca");
  const solvers = solversOf(flags, typed, known);
  const reloads = flags.reload?.map((reload) => ({ reload })) ?? [];
  const certificate = {
    ...picked(flags, certificateOptions),
    solver: undefined,
    issuer,
    solvers: Object.keys(solvers),
    files: filled({ fullchain, key, cert, chain }),
    dns: filled(dnsOf(flags)),
    dane: danePorts && defined({ ports: danePorts, solver: daneSolver }),
    pre: shell(flags.preHook),
    deploy: filled([...reloads, ...(shell(flags.deployHook) ?? [])]),
    post: shell(flags.postHook),
    failure: shell(flags.failureHook),
  };
  const account = { ...picked(flags, issuerOptions), server };
  const entries = {
    issuers: { [issuer]: defined(account) },
    solvers,
    certificates: { [name]: defined(certificate) },
  };
  return stringify(entries, { lineWidth: 0 });
}

/** The config has no `staging`: it names the CA that was meant. */
function configuredServer({ server = "letsencrypt", staging }: GivenFlags): string {
  const directory = staging === true ? stagingOf(resolveServer(server)) : undefined;
  return directory === undefined ? server : (presetOf(directory)?.name ?? server);
}

/** `--dns-timeout` is `timeout` in the config. */
function dnsOf(flags: GivenFlags): Readonly<Record<string, unknown>> {
  const { dnsPort: authoritativePort, dnsResolvers: resolvers, dnsTimeout: timeout } = flags;
  const { dnsCname: cname, dnsAuthoritative: authoritative, dnsRecursive: recursive } = flags;
  const { dnsInterval: interval, dnsSettle: settle, dnsWait: wait } = flags;
  const times = { timeout, interval, settle, wait };
  return picked(
    { cname, resolvers, authoritative, authoritativePort, recursive, ...times },
    dnsOptions,
  );
}

const shell = (commands: readonly string[] | undefined) =>
  commands?.map((run) => ({ run, shell: true }));

function solversOf(flags: GivenFlags, typed: SolverFlags, { answers, given }: Known) {
  const { solver = [], standalone, tlsAlpn, webroot, dns } = flags;
  const short = [standalone && "standalone", tlsAlpn && "tls-alpn", webroot && "webroot", dns];
  const uses = [...solver, ...short.filter((one) => typeof one === "string")];
  const needed = given.solver === undefined ? credentialOf(answers.proof) : undefined;
  const credential = needed === undefined ? {} : { [needed.option]: answers.credential };
  const folder = webroot === undefined ? {} : { directory: webroot };
  const settings = uses.map((text) => {
    const use = text.replace(/^[^./=]+(\.[^=]+)?=/u, "");
    return [use, { use, challenge: flags.challenge, ...typed[use], ...folder, ...credential }];
  });
  return Object.fromEntries(settings);
}

/** The flags that the config knows by the same name, as it writes them. */
function picked(flags: object, options: OptionDeclarations): Readonly<Record<string, unknown>> {
  const known = Object.entries(flags).filter(([option]) => Object.hasOwn(options, option));
  const written = known.map(([option, value]) => {
    const isDuration = options[option]?.type === "duration" && typeof value === "number";
    return [option, isDuration ? formatDuration(value) : value] as const;
  });
  return Object.fromEntries(written);
}

function defined(values: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}

/** Undefined for what has nothing in it. */
function filled<T extends object>(value: T): T | undefined {
  return Object.values(value).every((one) => one === undefined) ? undefined : value;
}
