/** The options of a request: names, CA, and how control of the names is proven. */
import { keyTypes } from "../../certificate.ts";
import type { OptionDeclarations } from "../declaration.ts";
import { deployFlags } from "./deployment.ts";

const ca = "Certificate authority:";
const proof = "Proof of control:";
const look = "Checks before the CA is asked:";
const local = "Embedded CA:";

export const certificateFlags = {
  domains: {
    type: "list",
    description:
      "Domain name or IP address of the certificate; repeatable, or separated by commas.",
    short: "d",
    aliases: ["domain"],
    placeholder: "NAME",
  },
  name: {
    type: "string",
    description: "Name of the certificate in acmectl; its first domain when absent.",
    aliases: ["cert-name"],
    placeholder: "NAME",
  },
  keyType: {
    type: "string",
    description: "Type of the private key; ec256 when absent.",
    choices: keyTypes,
    aliases: ["keylength"],
    placeholder: "TYPE",
  },
  reuseKey: {
    type: "boolean",
    description: "Keep the private key when the certificate is renewed.",
  },
  csr: {
    type: "path",
    description: "Use this certificate signing request (PEM or DER).",
    placeholder: "FILE",
  },
  labels: {
    type: "map",
    description: "Label of the certificate, for the selectors of solvers.",
    aliases: ["label"],
  },
  profile: {
    type: "string",
    description: "Certificate profile to ask for, if the CA offers it.",
    placeholder: "NAME",
    group: ca,
  },
  requiredProfile: {
    type: "string",
    description: "Like --profile, but fail if the CA does not offer it.",
    placeholder: "NAME",
    group: ca,
  },
  preferredChain: {
    type: "string",
    description: "Chain to choose: common name of an issuer in it, or SHA-256 fingerprint.",
    placeholder: "ISSUER",
    group: ca,
  },
} as const satisfies OptionDeclarations;

export const issuerFlags = {
  server: {
    type: "string",
    description: "CA to use: a preset, a directory URL, an issuer of the config, or local.",
    short: "s",
    placeholder: "CA",
    group: ca,
  },
  staging: {
    type: "boolean",
    description: "Use the CA's staging environment, whose certificates browsers do not trust.",
    aliases: ["test-cert"],
    group: ca,
  },
  email: {
    type: "string",
    description: "Contact address for the CA account.",
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
    description: "Key identifier of the external account binding.",
    placeholder: "ID",
    group: ca,
  },
  eabHmac: {
    type: "string",
    reference: true,
    secret: true,
    description: "Reference to the EAB HMAC key: env:NAME, file:/path or cmd:program.",
    aliases: ["eab-hmac-key"],
    placeholder: "REF",
    group: ca,
  },
  caBundle: {
    type: "path",
    description: "PEM file of root certificates to trust for the CA's server.",
    placeholder: "FILE",
    group: ca,
  },
} as const satisfies OptionDeclarations;

export const solverFlags = {
  solver: {
    type: "list",
    description:
      "Solver: one from the config, a built-in, a file or a package; ZONE=NAME per zone.",
    placeholder: "NAME",
    group: proof,
  },
  standalone: { type: "boolean", description: "Same as --solver standalone.", group: proof },
  webroot: {
    type: "path",
    description: "Same as --solver webroot, with this folder.",
    short: "w",
    placeholder: "PATH",
    group: proof,
  },
  dns: {
    type: "string",
    description: "Same as --solver NAME, for dns-01.",
    placeholder: "NAME",
    group: proof,
  },
} as const satisfies OptionDeclarations;

export const visibilityFlags = {
  selfCheck: {
    type: "boolean",
    default: true,
    description: "Check http-01 responses from this machine before asking the CA.",
    group: look,
  },
  selfCheckAt: {
    type: "string",
    description: "Check http-01 responses at this address instead of the domain's own.",
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
    description: "Check dns-01 records at the zone's authoritative servers.",
    group: look,
  },
  dnsRecursive: {
    type: "boolean",
    description: "Then check them at the resolvers as well.",
    group: look,
  },
  dnsTimeout: {
    type: "duration",
    description: "Longest wait for a dns-01 record to appear; 2m when absent.",
    group: look,
  },
  dnsInterval: {
    type: "duration",
    description: "Time between two DNS checks; 2s when absent.",
    group: look,
  },
  dnsSettle: {
    type: "duration",
    description: "Extra wait after the record has appeared everywhere; none when absent.",
    group: look,
  },
  dnsWait: {
    type: "duration",
    description: "Wait this long instead of checking the DNS.",
    group: look,
  },
  dnsCname: {
    type: "string",
    choices: ["follow", "none"],
    description:
      "Write where the CNAMEs of _acme-challenge lead (follow, the default), or at the name itself.",
    group: look,
  },
  dnsPort: {
    type: "port",
    description: "Port of the zones' authoritative servers; 53 when absent.",
    hidden: true,
    group: look,
  },
} as const satisfies OptionDeclarations;

const localFlags = {
  localHttpPort: {
    type: "port",
    description: "Port that --server local asks for http-01; the standalone solver's when absent.",
    group: local,
  },
  localResolver: {
    type: "string",
    description: "DNS server that --server local asks; without it every domain is this machine.",
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
