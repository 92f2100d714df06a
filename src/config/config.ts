/** The config file as values: its options are declared here once; checks, types and documentation follow. */
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
    description: "CA to use: a preset such as letsencrypt, an https directory URL, or local.",
  },
  email: { type: "string", description: "Contact address for the CA account." },
  agreeTos: { type: "boolean", description: "Agree to the CA's terms of service." },
  eabKid: { type: "string", description: "Key identifier of the external account binding." },
  eabHmac: {
    type: "string",
    reference: true,
    description: "Reference to the EAB HMAC key: env:NAME, file:/path or cmd:program.",
  },
  caBundle: {
    type: "path",
    description: "PEM file of root certificates to trust for the CA's server.",
  },
  profile: {
    type: "string",
    description: "Certificate profile for all certificates of this issuer, if the CA offers it.",
  },
  preferredChain: {
    type: "string",
    description: "Chain to choose: common name of an issuer in it, or SHA-256 fingerprint.",
  },
} as const satisfies OptionDeclarations;

export const dnsOptions = {
  cname: {
    type: "string",
    choices: ["follow", "none"],
    description:
      "Write where the CNAMEs of _acme-challenge lead (follow, the default), or at the name itself.",
  },
  resolvers: {
    type: "list",
    description:
      "Resolvers instead of the system's: ADDRESS[:PORT] or an https URL (DNS over HTTPS).",
  },
  authoritative: {
    type: "boolean",
    description: "Check records at the zone's authoritative servers; true when absent.",
  },
  authoritativePort: {
    type: "port",
    description: "Port of the zones' authoritative servers; 53 when absent.",
  },
  recursive: {
    type: "boolean",
    description: "Then check them at the resolvers as well; false when absent.",
  },
  timeout: {
    type: "duration",
    description: "Longest wait for a record to appear, e.g. 5m; 2m when absent.",
  },
  interval: {
    type: "duration",
    description: "Time between two DNS checks, e.g. 3s; 2s when absent.",
  },
  settle: {
    type: "duration",
    description: "Extra wait after the record has appeared everywhere, e.g. 10s.",
  },
  wait: { type: "duration", description: "Wait this long instead of checking the DNS, e.g. 2m." },
} as const satisfies OptionDeclarations;

/** What `defaults` may say for all certificates, and each certificate for itself. */
export const defaultOptions = {
  issuer: { type: "string", description: "Name of one of the `issuers`." },
  solver: {
    type: "string",
    description: "The one of `solvers` to use; none if the CA asks for no proof.",
  },
  solvers: {
    type: "list",
    description: "Names of `solvers` to choose from by their selectors; all when absent.",
  },
  keyType: {
    type: "string",
    choices: keyTypes,
    description: "Type of the private key; ec256 when absent.",
  },
  reuseKey: {
    type: "boolean",
    description: "Keep the private key when the certificate is renewed.",
  },
  profile: {
    type: "string",
    description: "Certificate profile to ask for, if the CA offers it.",
  },
  requiredProfile: {
    type: "string",
    description: "Certificate profile to ask for; fail if the CA does not offer it.",
  },
  preferredChain: {
    type: "string",
    description: "Chain to choose: common name of an issuer in it, or SHA-256 fingerprint.",
  },
  selfCheck: {
    type: "boolean",
    description:
      "Check http-01 responses from this machine before asking the CA; true when absent.",
  },
  selfCheckAt: {
    type: "string",
    description: "Check http-01 responses at this ADDRESS:PORT instead of the domain's own.",
  },
  pre: { type: "json", description: "Commands to run before ordering." },
  deploy: {
    type: "json",
    description: "Steps after a new certificate; later runs repeat each until it succeeds.",
  },
  post: { type: "json", description: "Commands to run at the end of a run that tried to issue." },
  failure: { type: "json", description: "Commands to run if issuance fails." },
  windows: {
    type: "json",
    description: "Times at which a new certificate may be deployed; any time when absent.",
  },
} as const satisfies OptionDeclarations;

export const certificateOptions = {
  domains: { type: "list", description: "Domain names and IP addresses of the certificate." },
  csr: { type: "path", description: "File of your own certificate signing request (PEM or DER)." },
  labels: { type: "map", description: "Labels of the certificate, for the selectors of solvers." },
  ...defaultOptions,
  files: { type: "json", description: "Files to copy the certificate and its key to." },
  dns: {
    type: "json",
    description: "DNS checks of this certificate, over the section `dns`.",
  },
} as const satisfies OptionDeclarations;

export const selectOptions = {
  names: { type: "list", description: "Exactly these domains; a wildcard includes its `*.`." },
  zones: { type: "list", description: "These zones and everything below; the longest match wins." },
  labels: { type: "map", description: "Certificates with all of these labels." },
} as const satisfies OptionDeclarations;

/** What every entry of `solvers` may say; all else are the plugin's own options. */
export const solverCommonOptions = {
  use: {
    type: "string",
    required: true,
    description: "Plugin: a built-in, a path that begins with ./ or /, or a package.",
  },
  select: {
    type: "json",
    description: "Certificates and names that this solver serves; all when absent.",
  },
  dns: {
    type: "json",
    description: "DNS checks of this solver, over the section `dns`.",
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
