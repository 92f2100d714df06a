/** Hooks around issuance and steps with a new certificate: flags and config. */
import {
  keyStoreProfiles,
  reloadableServers,
  secretContents,
  startTlsProtocols,
} from "../../certificate.ts";
import { file, type OptionDeclarations, under } from "../declaration.ts";

const hook = (description: string) =>
  ({ type: "list", verbatim: true, description, placeholder: "CMD" }) as const;

/** Commands go to a shell, as those of certbot and lego do; the config has steps without one. */
export const deployFlags = under("Deployment:", {
  preHook: hook("Shell command to run before ordering."),
  deployHook: {
    ...hook(
      "Shell command to run after a new certificate; later runs repeat it until it succeeds.",
    ),
    aliases: ["renew-hook", "reloadcmd"],
  },
  reload: {
    type: "list",
    choices: reloadableServers,
    description: "Server to check and reload after a new certificate.",
    placeholder: "SERVER",
  },
  postHook: hook("Shell command to run at the end of a run that tried to issue."),
  failureHook: hook("Shell command to run if issuance fails."),
  fullchainFile: file("File to copy certificate and chain to."),
  keyFile: file("File to copy the private key to."),
  certFile: file("File to copy the certificate to, without chain."),
  chainFile: { ...file("File to copy the chain to."), aliases: ["ca-file"] },
});

export const hookOptions = {
  run: {
    type: "json",
    required: true,
    description: "Command: one text, or a list of a program and its arguments.",
  },
  shell: { type: "boolean", description: "Run the text by `sh -c`; without it no shell is used." },
  timeout: { type: "duration", description: "Time limit, e.g. 5m; 2m when absent." },
  passEnv: { type: "list", description: "Variables to pass on although they look like secrets." },
} as const satisfies OptionDeclarations;

export const fileOptions = {
  fullchain: { type: "path", description: "Copy of the certificate followed by its chain." },
  key: { type: "path", description: "Copy of the private key." },
  cert: { type: "path", description: "Copy of the certificate alone." },
  chain: { type: "path", description: "Copy of the chain alone." },
} as const satisfies OptionDeclarations;

/** A path on another host: `~` and relative paths are its own. */
const remote = <const D extends string>(description: D) =>
  ({ type: "string", description }) as const;

const accessOptions = {
  owner: {
    type: "string",
    description: "Owner of the files, by name or number; unchanged when absent.",
  },
  group: {
    type: "string",
    description: "Group of the files, by name or number; unchanged when absent.",
  },
  mode: {
    type: "string",
    description: "Mode in octal; 0600 for a file with a key, else 0644, when absent.",
  },
} as const satisfies OptionDeclarations;

export const copyOptions = {
  ...fileOptions,
  combined: {
    type: "path",
    description: "Certificate, chain and key in one file, as HAProxy reads it.",
  },
  ...accessOptions,
} as const satisfies OptionDeclarations;

export const pkcs12Options = {
  path: { type: "path", required: true, description: "Key store file to write." },
  password: {
    type: "string",
    required: true,
    reference: true,
    description: "Reference to its password: env:NAME, file:/path or cmd:program.",
  },
  profile: {
    type: "string",
    choices: keyStoreProfiles,
    description:
      "Encryption: modern (AES-256, the default), or legacy (3DES) for Java before 8u301.",
  },
  alias: { type: "string", description: "Alias of the entry; the certificate's name when absent." },
  ...accessOptions,
} as const satisfies OptionDeclarations;

export const sshOptions = {
  hosts: {
    type: "list",
    required: true,
    description: "Hosts as ssh takes them: an alias, HOST, USER@HOST or ssh://USER@HOST:PORT.",
  },
  fullchain: remote(fileOptions.fullchain.description),
  key: remote(fileOptions.key.description),
  cert: remote(fileOptions.cert.description),
  chain: remote(fileOptions.chain.description),
  combined: remote(copyOptions.combined.description),
  ...accessOptions,
  run: { type: "string", description: "Command for the host's shell, after the files." },
  options: { type: "list", verbatim: true, description: "Further arguments of ssh." },
} as const satisfies OptionDeclarations;

export const dockerOptions = {
  containers: { type: "list", required: true, description: "Containers, by name or id." },
  signal: { type: "string", description: "Signal to send, e.g. HUP." },
  restart: { type: "boolean", description: "Restart the container." },
  exec: {
    type: "json",
    description: "Command to run in the container: one text, or a list of words.",
  },
  host: {
    type: "string",
    description:
      "Engine: unix:///PATH or tcp://HOST:PORT; DOCKER_HOST or the usual socket when absent.",
  },
  certPath: {
    type: "path",
    description: "Folder of ca.pem, cert.pem and key.pem for TLS; DOCKER_CERT_PATH when absent.",
  },
} as const satisfies OptionDeclarations;

const { password, profile, alias } = pkcs12Options;

export const kubernetesOptions = {
  secret: { type: "string", required: true, description: "Name of the Secret." },
  namespaces: { type: "list", description: "Namespaces; that of the context when absent." },
  contexts: {
    type: "list",
    description: "Contexts of the kubeconfig, one for each cluster; the current one when absent.",
  },
  kubeconfig: {
    type: "path",
    description: "Kubeconfig file; KUBECONFIG, ~/.kube/config or the pod's account when absent.",
  },
  type: { type: "string", description: "Type of the Secret; kubernetes.io/tls when absent." },
  keys: {
    type: "map",
    description: `Further keys and what each holds: ${secretContents.join(", ")}.`,
  },
  password: { ...password, required: false },
  profile,
  alias,
  labels: { type: "map", description: "Labels of the Secret." },
  annotations: { type: "map", description: "Annotations of the Secret, beside acmectl's own." },
  force: { type: "boolean", description: "Take over fields that another field manager owns." },
  restart: {
    type: "list",
    description: "Workloads to restart: deployment/NAME, statefulset/NAME or daemonset/NAME.",
  },
} as const satisfies OptionDeclarations;

/** A deploy step says one of these but the options that go with another; see `sections.ts`. */
export const deployOptions = {
  ...hookOptions,
  run: { type: "json", description: hookOptions.run.description },
  copy: { type: "json", description: "Copies of the files, each replaced atomically." },
  pkcs12: { type: "json", description: "PKCS#12 key store, readable by Java." },
  reload: {
    type: "string",
    choices: reloadableServers,
    description: "Server to reload, after a check of its configuration.",
  },
  config: {
    type: "path",
    description:
      "With reload: the server's configuration file (postfix: folder), if not the usual one.",
  },
  "acme.sh": { type: "string", description: "Deploy script of acme.sh to run, by name or path." },
  scripts: {
    type: "path",
    description: "With acme.sh: folder of the script; acme.sh's own when absent.",
  },
  variables: {
    type: "map",
    reference: true,
    description: "With acme.sh: variables of the script; secrets as references.",
  },
  ssh: { type: "json", description: "Files copied to other hosts, and a command run there." },
  docker: { type: "json", description: "Signal, restart or command for containers." },
  kubernetes: { type: "json", description: "Secret of Kubernetes, and workloads to restart." },
  probe: { type: "string", description: "HOST:PORT that must serve the new certificate." },
  servername: { type: "string", description: "With probe: server name to send (SNI)." },
  starttls: {
    type: "string",
    choices: startTlsProtocols,
    description: "With probe: protocol whose STARTTLS to use.",
  },
} as const satisfies OptionDeclarations;

export const windowOptions = {
  start: {
    type: "string",
    required: true,
    description: "Opening time as a cron expression: minute, hour, day, month, weekday.",
    placeholder: "CRON",
  },
  duration: {
    type: "duration",
    required: true,
    description: "Time that it stays open, e.g. 2h.",
    min: 60_000,
    max: 366 * 86_400_000,
  },
  timeZone: {
    type: "string",
    description: "Time zone, e.g. Europe/Berlin; this machine's when absent.",
  },
} as const satisfies OptionDeclarations;
