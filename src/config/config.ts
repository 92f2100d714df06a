/** The config file as values (DESIGN §7): what may stand in it is declared here once, and checked, typed and documented from that. */
import {
  type DeployStep,
  type DeployWindow,
  type DnsSetting,
  type HookSetting,
  keyTypes,
  type SolverSelector,
} from "../certificate.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import type { fileOptions } from "../options/declared/deployment.ts";

export const issuerOptions = {
  server: {
    type: "string",
    required: true,
    description:
      "The CA: a preset such as letsencrypt, the https URL of an ACME directory, or local.",
  },
  email: { type: "string", description: "Where the CA may reach you about the account." },
  agreeTos: { type: "boolean", description: "Agree to the CA's terms of service." },
  eabKid: { type: "string", description: "Key identifier of the external account binding." },
  eabHmac: {
    type: "string",
    reference: true,
    description:
      "Where the key of the external account binding is: env:NAME, file:/path or cmd:program.",
  },
  caBundle: {
    type: "path",
    description: "PEM file of further roots to trust for this CA's server.",
  },
  profile: {
    type: "string",
    description: "Certificate profile for all certificates from here, used if the CA offers it.",
  },
  preferredChain: {
    type: "string",
    description: "Common name in the issuer at the top of the chain to choose.",
  },
} as const satisfies OptionDeclarations;

export const dnsOptions = {
  cname: {
    type: "string",
    choices: ["follow", "none"],
    description:
      "Write where the CNAMEs of the validation name lead (follow, the default), or at the name itself.",
  },
  resolvers: {
    type: "list",
    description:
      "Resolvers to ask instead of the system's: ADDRESS, ADDRESS:PORT, [ADDRESS]:PORT or an https URL.",
  },
  authoritative: {
    type: "boolean",
    description: "Look at the zone's own servers before the CA is asked; true when absent.",
  },
  authoritativePort: {
    type: "port",
    description: "The port of the zone's own servers, where it is not 53.",
  },
  recursive: {
    type: "boolean",
    description: "Then look at the resolvers as well; false when absent.",
  },
  timeout: { type: "duration", description: "How long to look before giving up, e.g. 5m." },
  interval: { type: "duration", description: "How long between two looks, e.g. 3s." },
  settle: {
    type: "duration",
    description: "How long to wait after it was seen everywhere, e.g. 10s.",
  },
  wait: { type: "duration", description: "Do not look at all: wait this long, e.g. 2m." },
} as const satisfies OptionDeclarations;

/** What `defaults` may say for all certificates, and each certificate for itself. */
export const defaultOptions = {
  issuer: { type: "string", description: "The name of one of `issuers`." },
  solver: { type: "string", description: "The one of `solvers` to use." },
  solvers: {
    type: "list",
    description:
      "Those of `solvers` that may be used, by their selectors; all of them when absent.",
  },
  keyType: {
    type: "string",
    choices: keyTypes,
    description: "Kind of the private key; ec256 when absent.",
  },
  reuseKey: {
    type: "boolean",
    description: "Keep the private key when the certificate is renewed.",
  },
  profile: {
    type: "string",
    description: "The CA's certificate profile, used if the CA offers it.",
  },
  requiredProfile: {
    type: "string",
    description: "The CA's certificate profile; fail where the CA does not offer it.",
  },
  preferredChain: {
    type: "string",
    description: "Common name in the issuer at the top of the chain to choose.",
  },
  selfCheck: {
    type: "boolean",
    description:
      "Look at the challenge's answer as the CA would, before the CA is asked; true when absent.",
  },
  selfCheckAt: {
    type: "string",
    description:
      "ADDRESS:PORT that the look at an http-01 answer goes to, instead of the name's own.",
  },
  pre: { type: "json", description: "Commands to run before a certificate is ordered." },
  deploy: {
    type: "json",
    description: "Steps when a new certificate is there; each is repeated until it succeeds.",
  },
  post: { type: "json", description: "Commands to run after the attempt, whatever came of it." },
  failure: { type: "json", description: "Commands to run when the attempt failed." },
  windows: {
    type: "json",
    description:
      "When a new certificate may be deployed; at any time when absent, or when expiry is near.",
  },
} as const satisfies OptionDeclarations;

export const certificateOptions = {
  domains: { type: "list", description: "Names and IP addresses that the certificate is for." },
  csr: { type: "path", description: "PEM or DER file of your own certificate signing request." },
  labels: { type: "map", description: "Labels that the solvers' selectors may ask for." },
  ...defaultOptions,
  files: { type: "json", description: "Copies wanted beside the store." },
  dns: {
    type: "json",
    description: "How dns-01 answers are waited for, over what `dns` says for all.",
  },
} as const satisfies OptionDeclarations;

export const selectOptions = {
  names: { type: "list", description: "Exactly these names, a wildcard with its `*.`." },
  zones: { type: "list", description: "These zones and all names below; the longest wins." },
  labels: { type: "map", description: "Certificates with all of these labels." },
} as const satisfies OptionDeclarations;

/** What every entry of `solvers` may say; all else are the plugin's own options. */
export const solverCommonOptions = {
  use: {
    type: "string",
    required: true,
    description: "The plugin: a built-in, a path beginning with ./ or /, or the name of a package.",
  },
  select: { type: "json", description: "What this solver is for; everything when absent." },
  dns: {
    type: "json",
    description: "How its dns-01 answers are waited for, over what `dns` says for all.",
  },
} as const satisfies OptionDeclarations;

export interface Config {
  /** Absolute path of the file, whether it exists or not. */
  readonly path: string;
  readonly exists: boolean;
  readonly issuers: Readonly<Record<string, ConfiguredIssuer>>;
  /** In the order of the file. */
  readonly solvers: Readonly<Record<string, ConfiguredSolver>>;
  /** With `defaults` and `dns` applied. */
  readonly certificates: Readonly<Record<string, ConfiguredCertificate>>;
  /** For requests that come from the command line. */
  readonly defaults: ConfiguredDefaults;
  readonly dns: DnsSetting;
}
export type ConfiguredIssuer = SettingsOf<typeof issuerOptions>;
export interface ConfiguredSolver {
  /** A path is absolute. */
  readonly use: string;
  readonly select?: SolverSelector | undefined;
  readonly dns?: DnsSetting | undefined;
  /** The solver's own options as they stand in the file; paths are relative to its folder. */
  readonly options: Readonly<Record<string, unknown>>;
}
/** `solver` is folded into `solvers`. */
export type ConfiguredDefaults = Omit<
  SettingsOf<typeof defaultOptions>,
  "solver" | HookName | "windows"
> &
  ConfiguredHooks;
export type ConfiguredCertificate = Omit<
  SettingsOf<typeof certificateOptions>,
  "domains" | "solver" | "labels" | "files" | "dns" | "windows" | HookName
> &
  ConfiguredHooks & {
    /** Empty when a CSR names them. */
    readonly domains: readonly string[];
    readonly labels: Readonly<Record<string, string>>;
    readonly files: SettingsOf<typeof fileOptions>;
    readonly dns: DnsSetting;
  };
export type HookName = "pre" | "deploy" | "post" | "failure";
export type ConfiguredHooks = {
  readonly [K in HookName]?: (K extends "deploy" ? DeployStep[] : HookSetting[]) | undefined;
} & { readonly windows?: DeployWindow[] | undefined };

/** The values that a section holds: only what was written is there. */
export type SettingsOf<D extends OptionDeclarations> = {
  readonly [K in RequiredOf<D>]: OptionsOf<D>[K];
} & { readonly [K in Exclude<keyof D, RequiredOf<D>>]?: OptionsOf<D>[K] | undefined };
type RequiredOf<D extends OptionDeclarations> = {
  [K in keyof D]: D[K] extends { required: true } ? K : never;
}[keyof D];
