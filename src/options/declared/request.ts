/** The options that say which certificate is wanted, from whom, and how its names are proven. */
import { keyTypes } from "../../certificate.ts";
import type { OptionDeclarations } from "../declaration.ts";
import { deployFlags } from "./deployment.ts";

const ca = "Certificate authority:";
const proof = "Proof of control:";
const look = "Before the CA is asked:";
const local = "Embedded CA:";

export const certificateFlags = {
  domains: {
    type: "list",
    description:
      "A name or IP address for the certificate; repeat it, or separate several by commas.",
    short: "d",
    aliases: ["domain"],
    placeholder: "NAME",
  },
  name: {
    type: "string",
    description: "What the certificate is called here; its first name when absent.",
    aliases: ["cert-name"],
    placeholder: "NAME",
  },
  keyType: {
    type: "string",
    description: "Kind of the private key; ec256 when absent.",
    choices: keyTypes,
    aliases: ["keylength"],
    placeholder: "TYPE",
  },
  reuseKey: {
    type: "boolean",
    description: "Keep the private key when the certificate is issued anew.",
  },
  csr: {
    type: "path",
    description: "Use this certificate signing request (PEM or DER); its key stays yours.",
    placeholder: "FILE",
  },
  labels: {
    type: "map",
    description: "Labels that selectors of solvers may ask for.",
    aliases: ["label"],
  },
  profile: {
    type: "string",
    description: "The CA's certificate profile.",
    placeholder: "NAME",
    group: ca,
  },
  requiredProfile: {
    type: "string",
    description: "The same, and fail where the CA has no profiles at all.",
    placeholder: "NAME",
    group: ca,
  },
  preferredChain: {
    type: "string",
    description: "Choose the chain with this issuer: a common name, or a SHA-256 fingerprint.",
    placeholder: "ISSUER",
    group: ca,
  },
} as const satisfies OptionDeclarations;

export const issuerFlags = {
  server: {
    type: "string",
    description:
      "The CA: a preset such as letsencrypt, a directory URL, an issuer of the config, or local for the embedded one.",
    short: "s",
    placeholder: "CA",
    group: ca,
  },
  staging: {
    type: "boolean",
    description:
      "The staging environment of the CA, for trying: its certificates are trusted by nobody.",
    aliases: ["test-cert"],
    group: ca,
  },
  email: {
    type: "string",
    description: "Where the CA may reach you about the account.",
    short: "m",
    placeholder: "ADDRESS",
    group: ca,
  },
  agreeTos: {
    type: "boolean",
    description: "Agree to the CA's terms of service.",
    aliases: ["accept-tos"],
    group: ca,
  },
  eabKid: {
    type: "string",
    description: "Key id of the external account binding.",
    placeholder: "ID",
    group: ca,
  },
  eabHmac: {
    type: "string",
    reference: true,
    secret: true,
    description:
      "Where the external account binding's HMAC key is: env:NAME, file:/path or cmd:program.",
    aliases: ["eab-hmac-key"],
    placeholder: "REF",
    group: ca,
  },
  caBundle: {
    type: "path",
    description: "PEM file of further roots to trust for the CA's server.",
    placeholder: "FILE",
    group: ca,
  },
} as const satisfies OptionDeclarations;

export const solverFlags = {
  solver: {
    type: "list",
    description:
      "Who proves the names: a solver of the config, a built-in, ./file.ts or a package; ZONE=NAME for some names only.",
    placeholder: "NAME",
    group: proof,
  },
  standalone: { type: "boolean", description: "The same as --solver standalone.", group: proof },
  webroot: {
    type: "path",
    description: "The same as --solver webroot, with this folder.",
    short: "w",
    placeholder: "PATH",
    group: proof,
  },
  dns: {
    type: "string",
    description: "The same as --solver NAME, for dns-01.",
    placeholder: "NAME",
    group: proof,
  },
} as const satisfies OptionDeclarations;

export const visibilityFlags = {
  selfCheck: {
    type: "boolean",
    default: true,
    description: "Look at http-01 responses from here before the CA does.",
    group: look,
  },
  selfCheckAt: {
    type: "string",
    description: "Look there instead of at the name's addresses and port 80, e.g. 127.0.0.1:8080.",
    placeholder: "ADDR:PORT",
    group: look,
  },
  dnsResolvers: {
    type: "list",
    description:
      "Resolvers instead of the system's: ADDRESS[:PORT] or an https URL (DNS over HTTPS).",
    placeholder: "LIST",
    group: look,
  },
  dnsAuthoritative: {
    type: "boolean",
    default: true,
    description: "Ask the zone's own servers for dns-01 responses.",
    group: look,
  },
  dnsRecursive: { type: "boolean", description: "Then ask the resolvers as well.", group: look },
  dnsTimeout: {
    type: "duration",
    description: "How long to look for a dns-01 response; 2m when absent.",
    group: look,
  },
  dnsInterval: {
    type: "duration",
    description: "How long between two looks; 2s when absent.",
    group: look,
  },
  dnsSettle: {
    type: "duration",
    description: "How long to wait after it was seen everywhere; not at all when absent.",
    group: look,
  },
  dnsWait: {
    type: "duration",
    description: "Do not look at the DNS; wait this long.",
    group: look,
  },
  dnsCname: {
    type: "string",
    choices: ["follow", "none"],
    description:
      "Write where CNAMEs of _acme-challenge lead, or at the name itself; follow when absent.",
    group: look,
  },
  dnsPort: {
    type: "port",
    description: "Port of the zones' own servers; 53 when absent.",
    hidden: true,
    group: look,
  },
} as const satisfies OptionDeclarations;

const localFlags = {
  localHttpPort: {
    type: "port",
    description:
      "Where --server local asks for http-01; the standalone solver's port, or a free one, when absent.",
    group: local,
  },
  localResolver: {
    type: "string",
    description: "The DNS that --server local asks; without it every name is on this machine.",
    placeholder: "ADDR:PORT",
    group: local,
  },
} as const satisfies OptionDeclarations;

/** All of them: what `issue` takes. */
export const requestFlags = {
  ...certificateFlags,
  ...issuerFlags,
  ...solverFlags,
  ...visibilityFlags,
  ...deployFlags,
  ...localFlags,
} as const satisfies OptionDeclarations;
