/** What is done around the issuing, and with a new certificate: by flags, and in the config. */
import { keyStoreProfiles, reloadableServers, startTlsProtocols } from "../../certificate.ts";
import type { OptionDeclarations } from "../declaration.ts";

const deployment = "Deployment:";

/** Commands go to a shell, as those of certbot and lego do; the config has steps without one. */
export const deployFlags = {
  preHook: {
    type: "list",
    verbatim: true,
    description: "Shell command to run before a certificate is ordered.",
    placeholder: "CMD",
    group: deployment,
  },
  deployHook: {
    type: "list",
    verbatim: true,
    description:
      "Shell command to run when a new certificate is there; repeated by later runs until it succeeds.",
    aliases: ["renew-hook", "reloadcmd"],
    placeholder: "CMD",
    group: deployment,
  },
  postHook: {
    type: "list",
    verbatim: true,
    description: "Shell command to run at the end of a run that tried to issue.",
    placeholder: "CMD",
    group: deployment,
  },
  failureHook: {
    type: "list",
    verbatim: true,
    description: "Shell command to run when no certificate could be had.",
    placeholder: "CMD",
    group: deployment,
  },
  fullchainFile: {
    type: "path",
    description: "Copy certificate and chain there.",
    placeholder: "FILE",
    group: deployment,
  },
  keyFile: {
    type: "path",
    description: "Copy the private key there.",
    placeholder: "FILE",
    group: deployment,
  },
  certFile: {
    type: "path",
    description: "Copy the certificate alone there.",
    placeholder: "FILE",
    group: deployment,
  },
  chainFile: {
    type: "path",
    description: "Copy the chain alone there.",
    aliases: ["ca-file"],
    placeholder: "FILE",
    group: deployment,
  },
} as const satisfies OptionDeclarations;

export const hookOptions = {
  run: {
    type: "json",
    required: true,
    description: "The command: one text, or a list of a program and its arguments.",
  },
  shell: {
    type: "boolean",
    description: "Hand the text to `sh -c`; without it there is no shell.",
  },
  timeout: { type: "duration", description: "How long it may take, e.g. 5m; 2m when absent." },
  passEnv: {
    type: "list",
    description: "Variables that it gets although they look like secrets, which are kept back.",
  },
} as const satisfies OptionDeclarations;

export const fileOptions = {
  fullchain: { type: "path", description: "Copy of the certificate followed by its chain." },
  key: { type: "path", description: "Copy of the private key." },
  cert: { type: "path", description: "Copy of the certificate alone." },
  chain: { type: "path", description: "Copy of the chain alone." },
} as const satisfies OptionDeclarations;

const accessOptions = {
  owner: {
    type: "string",
    description: "Who owns the files, by name or number; as it was when absent.",
  },
  group: { type: "string", description: "Their group, by name or number; as it was when absent." },
  mode: {
    type: "string",
    description: "Their mode in octal; 0600 where a key is inside, 0644 elsewhere, when absent.",
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
  path: { type: "path", required: true, description: "The key store to write." },
  password: {
    type: "string",
    required: true,
    reference: true,
    description: "Where its password is: env:NAME, file:/path or cmd:program.",
  },
  profile: {
    type: "string",
    choices: keyStoreProfiles,
    description: "modern (AES-256, the default), or legacy (3DES) for Java before 8u301.",
  },
  alias: {
    type: "string",
    description: "What the entry is called; as the certificate when absent.",
  },
  ...accessOptions,
} as const satisfies OptionDeclarations;

/** A deploy step says one of `run`, `copy`, `pkcs12`, `reload` and `probe`; the others go with it. */
export const deployOptions = {
  ...hookOptions,
  run: { type: "json", description: hookOptions.run.description },
  copy: { type: "json", description: "Copies of the files, each replaced in one rename." },
  pkcs12: { type: "json", description: "A PKCS#12 key store, which Java reads as well." },
  reload: {
    type: "string",
    choices: reloadableServers,
    description: "Check this server's configuration and reload it, by its own commands.",
  },
  config: {
    type: "path",
    description:
      "With reload: the server's configuration file (postfix: folder), where it is not at its usual place.",
  },
  probe: {
    type: "string",
    description: "HOST:PORT to connect to, to see that the new certificate is served.",
  },
  servername: { type: "string", description: "With probe: the name to ask for." },
  starttls: {
    type: "string",
    choices: startTlsProtocols,
    description: "With probe: begin with this protocol in plain text.",
  },
} as const satisfies OptionDeclarations;

/** When a new certificate may be put to use. */
export const windowOptions = {
  start: {
    type: "string",
    required: true,
    description: "When the window opens, as a cron expression: minute, hour, day, month, weekday.",
    placeholder: "CRON",
  },
  duration: {
    type: "duration",
    required: true,
    description: "How long it stays open, e.g. 2h.",
    min: 60_000,
  },
  timeZone: {
    type: "string",
    description: "Where those hours are, e.g. Europe/Berlin; this machine's zone when absent.",
  },
} as const satisfies OptionDeclarations;
