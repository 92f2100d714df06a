/** The config file as values: its options are declared here once; checks, types and documentation follow. */
import type {
  ChallengeChoice,
  DeployStep,
  DeployWindow,
  DnsSetting,
  HookSetting,
  SolverSelector,
} from "../certificate.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import type { fileOptions } from "../options/declared/deployment.ts";
import { issuerFlags } from "../options/declared/account.ts";
import type { channels, notifyOptions } from "../options/declared/notification.ts";
import type { topOptions } from "../options/declared/state.ts";
import type { Fault } from "./yaml.ts";
import type { Problem } from "../problem.ts";
import {
  certificateFlags,
  type daneOptions,
  solverFlags,
  visibilityFlags,
} from "../options/declared/request.ts";

const { domains, csr, labels, name: _name, ...common } = certificateFlags;
const { server: _server, staging: _staging, ...account } = issuerFlags;
const { selfCheck, selfCheckAt } = visibilityFlags;

export const issuerOptions = {
  server: {
    type: "string",
    required: true,
    description: "CA to use: a preset such as letsencrypt, an https directory URL, or local.",
  },
  ...account,
  profile: {
    type: "string",
    description: "Certificate profile for its certificates; left out if the CA has no profiles.",
  },
  preferredChain: common.preferredChain,
  limits: {
    type: "map",
    description: "Limits that the CA has granted, e.g. ordersPerAccount: 3000/3h.",
  },
  accounts: {
    type: "integer",
    min: 1,
    max: 20,
    description: "Number of accounts that place the orders in turn; registered when needed.",
  },
} as const satisfies OptionDeclarations;

export const dnsOptions = {
  cname: visibilityFlags.dnsCname,
  resolvers: visibilityFlags.dnsResolvers,
  authoritative: visibilityFlags.dnsAuthoritative,
  authoritativePort: visibilityFlags.dnsPort,
  recursive: visibilityFlags.dnsRecursive,
  timeout: visibilityFlags.dnsTimeout,
  interval: visibilityFlags.dnsInterval,
  settle: visibilityFlags.dnsSettle,
  wait: visibilityFlags.dnsWait,
} as const satisfies OptionDeclarations;

/** What `defaults` may say for all certificates, and each certificate for itself. */
export const defaultOptions = {
  issuer: { type: "string", description: "Name of one of the `issuers`." },
  issuers: {
    type: "list",
    description:
      "Names of `issuers`: each is asked only while those before it fail or are limited.",
  },
  solver: {
    type: "string",
    description: "The one of `solvers` to use; none if the CA asks for no proof.",
  },
  solvers: {
    type: "list",
    description: "Names of `solvers` to choose from by their selectors; all when absent.",
  },
  ...common,
  selfCheck,
  selfCheckAt,
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
  renew: { type: "boolean", description: "Renew it when it is due; if off, only with --force." },
  freeze: {
    type: "json",
    description: "Times at which it is not renewed, unless it is about to expire.",
  },
} as const satisfies OptionDeclarations;

export const certificateOptions = {
  domains,
  csr,
  labels,
  ...defaultOptions,
  files: { type: "json", description: "Files to copy the certificate and its key to." },
  dns: { type: "json", description: "DNS checks of this certificate, over the section `dns`." },
  dane: { type: "json", description: "TLSA records of its keys (DANE), kept up to date." },
} as const satisfies OptionDeclarations;

export const selectOptions = {
  names: { type: "list", description: "Exactly these domains; a wildcard includes its `*.`." },
  zones: { type: "list", description: "These zones and everything below; the longest match wins." },
  labels: { type: "map", description: "Certificates with all of these labels." },
} as const satisfies OptionDeclarations;

/** What a host that receives certificates from a shared state does with them. */
export const pullOptions = {
  names: {
    type: "list",
    description: "Certificates with these names; * stands for any characters. All when absent.",
  },
  labels: { type: "map", description: "Certificates with all of these labels." },
  deploy: {
    type: "json",
    description:
      "Steps on this host after a new version; later pulls repeat each until it succeeds.",
  },
  windows: {
    type: "json",
    description: "Times at which the steps may be done; any time when absent.",
  },
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
  challenge: solverFlags.challenge,
  dns: { type: "json", description: "DNS checks of this solver, over the section `dns`." },
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
  readonly notify: Readonly<Record<string, ConfiguredNotifier>>;
  readonly pull: Readonly<Record<string, ConfiguredPull>>;
  /** Makes the Problem of a fault that is found after reading, with its line; undefined without a config file. */
  readonly mistake?: ((fault: Fault) => Problem) | undefined;
  /** Where the state is, for runs that are not given it. */
  readonly state: SettingsOf<typeof topOptions>;
}
export type ConfiguredPull = Omit<SettingsOf<typeof pullOptions>, "deploy" | "windows"> &
  Pick<ConfiguredHooks, "deploy" | "windows">;
/** One of the channels is there, or `run`. */
export type ConfiguredNotifier = Omit<SettingsOf<typeof notifyOptions>, keyof Channels | "run"> &
  Channels &
  Partial<Pick<HookSetting, "run">>;
type Channels = {
  readonly [K in keyof typeof channels]?: SettingsOf<(typeof channels)[K]["options"]> | undefined;
};
export type ConfiguredIssuer = SettingsOf<typeof issuerOptions>;
export interface ConfiguredSolver {
  /** A path is absolute. */
  readonly use: string;
  readonly select?: SolverSelector | undefined;
  readonly challenge?: ChallengeChoice | undefined;
  readonly dns?: DnsSetting | undefined;
  /** The solver's own options as the file has them; paths are relative to its folder. */
  readonly options: Readonly<Record<string, unknown>>;
}
/** `solver` is folded into `solvers`. */
export type ConfiguredDefaults = Omit<
  SettingsOf<typeof defaultOptions>,
  "solver" | HookName | "windows" | "freeze"
> &
  ConfiguredHooks;
export type ConfiguredCertificate = Omit<
  SettingsOf<typeof certificateOptions>,
  "domains" | "solver" | "labels" | "files" | "dns" | "dane" | "windows" | "freeze" | HookName
> &
  ConfiguredHooks & {
    /** Empty when a CSR names them. */
    readonly domains: readonly string[];
    readonly labels: Readonly<Record<string, string>>;
    readonly files: SettingsOf<typeof fileOptions>;
    readonly dns: DnsSetting;
    readonly dane?: SettingsOf<typeof daneOptions> | undefined;
  };
export type HookName = "pre" | "deploy" | "post" | "failure";
export type ConfiguredHooks = {
  readonly [K in HookName]?: (K extends "deploy" ? DeployStep[] : HookSetting[]) | undefined;
} & { readonly windows?: DeployWindow[] | undefined; readonly freeze?: DeployWindow[] | undefined };

/** The values that a section holds: only what was written is there. */
export type SettingsOf<D extends OptionDeclarations> = {
  readonly [K in RequiredOf<D>]: OptionsOf<D>[K];
} & { readonly [K in Exclude<keyof D, RequiredOf<D>>]?: OptionsOf<D>[K] | undefined };
type RequiredOf<D extends OptionDeclarations> = {
  [K in keyof D]: D[K] extends { required: true } ? K : never;
}[keyof D];
