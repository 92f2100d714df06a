/** The word "certificate" of the design: what is wanted, and what is known of what is held. */
import type { ChallengeType, Identifier } from "./plugin.ts";

export const keyTypes = ["ec256", "ec384", "rsa2048", "rsa3072", "rsa4096"] as const;
export type KeyType = (typeof keyTypes)[number];

/** Of an external account binding (RFC 7518 §3.2). */
export const macAlgorithms = ["HS256", "HS384", "HS512"] as const;
export type MacAlgorithm = (typeof macAlgorithms)[number];

export const challengeTypes = [
  "http-01",
  "dns-01",
  "tls-alpn-01",
  "dns-persist-01",
] as const satisfies readonly ChallengeType[];
/** What a user may ask for. dns-account-01 is dns-01 with the record at a name of the account. */
export const challengeChoices = [...challengeTypes, "dns-account-01"] as const;
export type ChallengeChoice = (typeof challengeChoices)[number];

/** Which solver answers what, as the user said it. Secrets are here as references (`env:`, `file:`, `cmd:`) or not at all. */
export interface SolverSetting {
  /** Unique within a request, e.g. `cf` or `standalone`. */
  name: string;
  /** What the registry resolves: a built-in, a file, a package. */
  use: string;
  /** Option values as given in config or by flag, unparsed. */
  options: Readonly<Record<string, unknown>>;
  /** The file that has the options, for messages and relative paths; absent when they were given by flag or variable. */
  from?: string | undefined;
  /** Another setting uses the same plugin, so that the environment cannot be meant for this one alone. */
  shared?: boolean | undefined;
  select?: SolverSelector | undefined;
  /** The one type to answer; when absent, the first of the plugin's that the CA offers. */
  challenge?: ChallengeChoice | undefined;
  /** Overrides of the request's own. */
  dns?: DnsSetting | undefined;
}
/** How dns-01 responses are waited for. Times in milliseconds. */
export interface DnsSetting {
  /** Write where the CNAMEs of `_acme-challenge.<name>` lead (`follow`, the default), or at the name itself (`none`). */
  cname?: "follow" | "none" | undefined;
  /** `ADDRESS`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or an https URL (RFC 8484); the system's when absent. */
  resolvers?: readonly string[] | undefined;
  /** Ask the zone's own servers; true when absent. */
  authoritative?: boolean | undefined;
  /** The port of the zones' own servers; 53 when absent. */
  authoritativePort?: number | undefined;
  /** Then ask the resolvers as well; false when absent. */
  recursive?: boolean | undefined;
  /** How long to look before giving up. */
  timeout?: number | undefined;
  /** Between two looks. */
  interval?: number | undefined;
  /** After the response was seen everywhere. */
  settle?: number | undefined;
  /** Wait this long instead of checking the DNS. */
  wait?: number | undefined;
}
export interface SolverSelector {
  names?: readonly string[] | undefined;
  zones?: readonly string[] | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
}

/** A command of the user's, as remembered. */
export interface HookSetting {
  /** A text is split into words without a shell, unless `shell` says otherwise; a list is a program and its arguments. */
  run: string | readonly string[];
  /** Hand the text to `sh -c`, as certbot and lego do. */
  shell?: boolean | undefined;
  /** Where it runs, absolute; so that a relative path means the same when cron repeats it. */
  cwd?: string | undefined;
  /** Milliseconds. */
  timeout?: number | undefined;
  /** Variables that it gets though their names or contents look like secrets. */
  passEnv?: readonly string[] | undefined;
}
/** Who may read a file that a deploy step writes. */
export interface FileAccess {
  /** Names or numbers; those of the file that is replaced, else of the process, when absent. */
  owner?: string | undefined;
  group?: string | undefined;
  /** Octal, e.g. `0640`. */
  mode?: string | undefined;
}
/** Paths are absolute. */
export interface CopySetting extends FileAccess {
  fullchain?: string | undefined;
  key?: string | undefined;
  cert?: string | undefined;
  chain?: string | undefined;
  /** Certificate, chain and key in one file, as HAProxy reads it. */
  combined?: string | undefined;
}
export const keyStoreProfiles = ["modern", "legacy"] as const;
export interface Pkcs12Setting extends FileAccess {
  path: string;
  /** A reference, never the password itself. */
  password: string;
  /** `modern` (AES-256, SHA-256) when absent; `legacy` (3DES, SHA-1) for Java before 8u301 and old Windows. */
  profile?: (typeof keyStoreProfiles)[number] | undefined;
  /** The alias of the entry; the certificate's name when absent. */
  alias?: string | undefined;
}
export const reloadableServers = [
  "nginx",
  "apache",
  "haproxy",
  "postfix",
  "dovecot",
  "caddy",
] as const;
export interface ReloadSetting {
  reload: (typeof reloadableServers)[number];
  /** The server's configuration file, where it is not at its usual place; absolute. */
  config?: string | undefined;
  timeout?: number | undefined;
}
export const startTlsProtocols = ["smtp", "imap", "pop3"] as const;
export interface ProbeSetting {
  /** `HOST:PORT`, `[ADDRESS]:PORT` */
  probe: string;
  /** Asked for by SNI; the host where the certificate names it, else its first name, when absent. */
  servername?: string | undefined;
  starttls?: (typeof startTlsProtocols)[number] | undefined;
  /** How long to look for the new certificate. Milliseconds. */
  timeout?: number | undefined;
}
/** A deploy script of acme.sh. */
export interface AcmeShSetting {
  /** Its name, or an absolute path. */
  "acme.sh": string;
  /** The folder of the script; acme.sh's own when absent. */
  scripts?: string | undefined;
  /** For the script, by name. A secret is a reference. */
  variables?: Readonly<Record<string, string>> | undefined;
  timeout?: number | undefined;
}
/** Files on other hosts, each replaced in one rename, and a command that is run there afterwards. Paths are those of the hosts. */
export interface SshSetting extends CopySetting {
  /** As the `ssh` command takes them: an alias of its configuration, `HOST`, `USER@HOST` or `ssh://USER@HOST:PORT`. */
  hosts: readonly string[];
  /** For the user's shell on the host. */
  run?: string | undefined;
  /** Arguments of `ssh` before the host. */
  options?: readonly string[] | undefined;
}
/** One action on containers, by the HTTP API of Docker or of Podman. */
export interface DockerSetting {
  /** Names or ids. */
  containers: readonly string[];
  /** A signal such as `HUP`. */
  signal?: string | undefined;
  restart?: boolean | undefined;
  exec?: string | readonly string[] | undefined;
  /** `unix:///path` or `tcp://host:port`; DOCKER_HOST, else the usual socket, when absent. */
  host?: string | undefined;
  /** The folder of ca.pem, cert.pem and key.pem, for TLS; DOCKER_CERT_PATH when absent. */
  certPath?: string | undefined;
}
/** What a key of a Secret can hold; `ca` is the topmost certificate of the chain. */
export const secretContents = [
  "cert",
  "chain",
  "fullchain",
  "key",
  "combined",
  "ca",
  "pkcs12",
] as const;
export type SecretContent = (typeof secretContents)[number];
/** A Secret of Kubernetes, in every namespace of every cluster that is named. */
export interface KubernetesSetting extends Omit<
  Pkcs12Setting,
  "path" | "password" | keyof FileAccess
> {
  /** Its name. */
  secret: string;
  /** That of the context when absent. */
  namespaces?: readonly string[] | undefined;
  /** Of the kubeconfig; the current one when absent. */
  contexts?: readonly string[] | undefined;
  /** Instead of the files of KUBECONFIG; absolute. */
  kubeconfig?: string | undefined;
  /** `kubernetes.io/tls` when absent. */
  type?: string | undefined;
  /** Further keys, beside tls.crt and tls.key. */
  keys?: Readonly<Record<string, SecretContent>> | undefined;
  /** Of the key stores among the keys: a reference. */
  password?: string | undefined;
  labels?: Readonly<Record<string, string>> | undefined;
  annotations?: Readonly<Record<string, string>> | undefined;
  /** Take fields over that another field manager owns. */
  force?: boolean | undefined;
  /** Afterwards, `deployment/NAME`, `statefulset/NAME` or `daemonset/NAME` of the same namespace. */
  restart?: readonly string[] | undefined;
}
/** What is done with a new certificate, until it succeeds. */
export type DeployStep =
  | HookSetting
  | { copy: CopySetting }
  | { pkcs12: Pkcs12Setting }
  | ReloadSetting
  | ProbeSetting
  | AcmeShSetting
  | { ssh: SshSetting; timeout?: number | undefined }
  | { docker: DockerSetting; timeout?: number | undefined }
  | { kubernetes: KubernetesSetting; timeout?: number | undefined };

/** TLSA records (RFC 6698) for the key of a certificate and for the next one. */
export interface DaneSetting {
  /** Of the services that use the certificate. */
  ports: readonly number[];
  /** Writes the records; one of the request's own solvers when absent. */
  solver?: SolverSetting | undefined;
}

/** What is wanted. Remembered by `issue`, read by `renew`. */
export interface CertificateRequest {
  name: string;
  /** Canonical, in the order given; a wildcard is `{ type: "dns", value: "*.example.com" }`. */
  identifiers: readonly Identifier[];
  keyType: KeyType;
  /** A certificate for a key of this type as well, kept and deployed beside the first. */
  secondKeyType?: KeyType | undefined;
  reuseKey: boolean;
  /** File of the user's own private key, absolute; read again for every order. */
  privateKey?: string | undefined;
  /** Milliseconds that the certificate is to be valid, if the CA lets clients choose (RFC 8555 §7.1.3). */
  duration?: number | undefined;
  /** RFC 3339. One that has passed is not asked for again. */
  notBefore?: string | undefined;
  notAfter?: string | undefined;
  /** Hold a self-signed certificate until the CA has issued one. */
  temporary?: boolean | undefined;
  /** Ask for the extension that demands OCSP stapling (RFC 7633). */
  mustStaple?: boolean | undefined;
  /** A CSR of the user's (DER, base64); then the private key is the user's own affair. */
  csr?: string | undefined;
  issuer: IssuerSetting;
  /** All issuers in the order in which they are asked, `issuer` among them; absent when there is only one. */
  issuers?: readonly IssuerSetting[] | undefined;
  profile?: string | undefined;
  /** Fail when the CA does not offer `profile`. */
  profileRequired?: boolean | undefined;
  preferredChain?: string | undefined;
  solvers: readonly SolverSetting[];
  /** `--solver none`: this CA asks for no proof. Otherwise a request without solvers cannot be renewed. */
  proof?: "none" | undefined;
  dns?: DnsSetting | undefined;
  /** Look at the response as a CA would before asking the CA; true when absent. */
  selfCheck?: boolean | undefined;
  /** The self-check goes to this `ADDRESS:PORT` instead of the name's addresses and port 80 or 443. */
  selfCheckAt?: string | undefined;
  labels: Readonly<Record<string, string>>;
  /** Copies wanted beside the store: absolute paths. */
  outputs: Pick<CopySetting, "fullchain" | "key" | "cert" | "chain">;
  hooks: {
    pre?: HookSetting[] | undefined;
    deploy?: DeployStep[] | undefined;
    post?: HookSetting[] | undefined;
    failure?: HookSetting[] | undefined;
  };
  /** When deploy steps may run by themselves; at any time when absent. */
  windows?: readonly DeployWindow[] | undefined;
  /** False: renewed only with --force. */
  renew?: boolean | undefined;
  /** When it is not renewed, unless it is about to expire. */
  freeze?: readonly DeployWindow[] | undefined;
  /** Announce its keys in the DNS. */
  dane?: DaneSetting | undefined;
  /** The config key it came from; absent for a request made on the command line. */
  fromConfig?: boolean | undefined;
}
export interface IssuerSetting {
  /** The directory URL, presets resolved; `local` stays `local`. */
  server: string;
  email?: string | undefined;
  agreeTos: boolean;
  eabKid?: string | undefined;
  /** A reference, never the key itself. */
  eabHmac?: string | undefined;
  eabHmacAlg?: MacAlgorithm | undefined;
  /** A reference, never the key itself. */
  zerosslApiKey?: string | undefined;
  /** A path, or PEM text. */
  caBundle?: string | undefined;
  /** For a CA that asks for a client certificate (mTLS): a path, or PEM text. */
  clientCert?: string | undefined;
  /** A path. */
  clientKey?: string | undefined;
  /** Limits that the CA has granted, by name, e.g. `3000/3h`. */
  limits?: Readonly<Record<string, string>> | undefined;
  /** How many accounts place its orders in turn; one when absent. */
  accounts?: number | undefined;
}

/** When a new certificate may be put to use. */
export interface DeployWindow {
  /** A cron expression: when it opens. */
  start: string;
  /** Milliseconds. */
  duration: number;
  /** IANA name; this machine's zone when absent. */
  timeZone?: string | undefined;
}

/** What is known of the certificate held, read from its `meta.json`. */
export interface VersionMeta {
  identifiers: readonly Identifier[];
  /** Of the certificate for the second key. */
  second?: VersionMeta | undefined;
  /** Self-signed by acmectl, until the CA has issued one. */
  temporary?: true | undefined;
  /** Names of the certificate that the CA added to those of the request. */
  added?: readonly Identifier[] | undefined;
  serial: string;
  /** SHA-256 of the leaf's DER, hexadecimal. */
  fingerprint: string;
  issuer: string;
  notBefore: string;
  notAfter: string;
  keyType: KeyType | "csr";
  directory: string;
  account: string;
  profile?: string | undefined;
  preferredChain?: string | undefined;
  /** What else was asked for, as `termsOf` writes it. */
  terms?: string | undefined;
  certificateUrl: string;
  orderUrl: string;
  /** Where the CA will have other forms of the certificate. */
  optionalAlternates?: readonly string[] | undefined;
  /** RFC 9773 §4.1; absent when the leaf has no authority key identifier. */
  ariId?: string | undefined;
  issuedAt: string;
  /** SHA-256 of the request's parts that decide what is issued, to see drift. */
  requestHash: string;
}
