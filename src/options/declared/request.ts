/** The options of a request: names, CA, and how control of the names is proven. */
import { challengeChoices, keyTypes } from "../../certificate.ts";
import { file, type OptionDeclarations, under } from "../declaration.ts";
import { accountKey, ca, issuerFlags } from "./account.ts";
import { deployFlags } from "./deployment.ts";

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
    offers: "certificates",
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
  keyTypes: {
    type: "list",
    description: "Two key types, e.g. ec256,rsa2048; a certificate for each, kept together.",
    placeholder: "TYPE",
  },
  reuseKey: {
    type: "boolean",
    description: "Keep the private key when the certificate is renewed.",
  },
  privateKey: file("Use this private key (PEM) of yours for every order."),
  mustStaple: {
    type: "boolean",
    description: "Ask for a certificate that demands OCSP stapling.",
    aliases: ["ocsp-must-staple", "ocsp"],
  },
  temporary: {
    type: "boolean",
    description: "Write a self-signed certificate first, so that a server can start.",
  },
  split: {
    type: "boolean",
    description: "Get several certificates if one cannot have so many names.",
  },
  csr: file("Use this certificate signing request (PEM or DER)."),
  labels: {
    type: "map",
    description: "Label of the certificate, for the selectors of solvers.",
    aliases: ["label"],
  },
  ...under(ca, {
    profile: {
      type: "string",
      description: "Certificate profile to ask for; left out if the CA has no profiles.",
      placeholder: "NAME",
    },
    requiredProfile: {
      type: "string",
      description: "Certificate profile to ask for; fail if the CA has no profiles.",
      placeholder: "NAME",
    },
    duration: {
      type: "duration",
      min: 60_000,
      description: "Lifetime to ask for, if the CA lets clients choose.",
    },
    notBefore: {
      type: "string",
      description: "Start of the validity to ask for, e.g. 2027-01-31 or 2027-01-31T12:00:00Z.",
      placeholder: "TIME",
    },
    notAfter: {
      type: "string",
      description: "End of the validity to ask for.",
      placeholder: "TIME",
    },
    preferredChain: {
      type: "string",
      description: "Chain to choose: common name of an issuer in it, or SHA-256 fingerprint.",
      placeholder: "ISSUER",
    },
  }),
} as const satisfies OptionDeclarations;

export const solverFlags = under("Proof of control:", {
  solver: {
    type: "list",
    description:
      "Solver: one from the config, a built-in, a file or a package; ZONE=NAME per zone.",
    placeholder: "NAME",
    offers: "solvers",
  },
  standalone: { type: "boolean", description: "Same as --solver standalone." },
  tlsAlpn: { type: "boolean", description: "Same as --solver tls-alpn.", aliases: ["tls"] },
  webroot: { type: "path", description: "Same as --solver webroot, with this folder.", short: "w" },
  dns: {
    type: "string",
    description: "Same as --solver NAME, for dns-01.",
    placeholder: "NAME",
    offers: "solvers",
  },
  challenge: {
    type: "string",
    choices: challengeChoices,
    description: "Challenge type to answer; when absent, the solver's first that the CA offers.",
    aliases: ["preferred-challenges"],
    placeholder: "TYPE",
  },
});

export const visibilityFlags = under("Checks before the CA is asked:", {
  selfCheck: {
    type: "boolean",
    default: true,
    description: "Check http-01 and tls-alpn-01 responses from this machine before asking the CA.",
  },
  selfCheckAt: {
    type: "string",
    description: "Check these responses at this address instead of the domain's own.",
    placeholder: "ADDR:PORT",
  },
  dnsResolvers: {
    type: "list",
    description:
      "Resolvers instead of the system's: ADDRESS[:PORT] or an https URL (DNS over HTTPS).",
  },
  dnsAuthoritative: {
    type: "boolean",
    default: true,
    description: "Check dns-01 records at the zone's authoritative servers.",
  },
  dnsRecursive: { type: "boolean", description: "Also check dns-01 records at the resolvers." },
  dnsTimeout: {
    type: "duration",
    description: "Longest wait for a dns-01 record to appear; 2m when absent.",
  },
  dnsInterval: { type: "duration", description: "Time between two DNS checks; 2s when absent." },
  dnsSettle: {
    type: "duration",
    description: "Extra wait after the record has appeared everywhere; none when absent.",
  },
  dnsWait: { type: "duration", description: "Wait this long instead of checking the DNS." },
  dnsCname: {
    type: "string",
    choices: ["follow", "none"],
    description:
      "Write the record where _acme-challenge's CNAME points (follow, the default), or at the name.",
  },
  dnsPort: {
    type: "port",
    description: "Port of the zones' authoritative servers; 53 when absent.",
    hidden: true,
  },
});

const localFlags = under("Embedded CA:", {
  localHttpPort: {
    type: "port",
    description: "Port that --server local asks for http-01; the standalone solver's when absent.",
  },
  localTlsPort: {
    type: "port",
    description:
      "Port that --server local asks for tls-alpn-01; the tls-alpn solver's when absent.",
  },
  localResolver: {
    type: "string",
    description: "DNS server that --server local asks; without it every domain is this machine.",
    placeholder: "ADDR:PORT",
  },
});

export const daneOptions = {
  ports: {
    type: "list",
    required: true,
    description: "Ports of the servers that use the certificate, e.g. 25,465,587.",
    placeholder: "PORT",
  },
  solver: {
    type: "string",
    description: "Solver that writes the TLSA records; one of the certificate's when absent.",
    placeholder: "NAME",
  },
} as const satisfies OptionDeclarations;

const daneFlags = under("DANE:", {
  danePorts: {
    ...daneOptions.ports,
    required: false,
    description: "Publish TLSA records for these ports, e.g. 25,465,587.",
  },
  daneSolver: daneOptions.solver,
});

export const dryRun = {
  type: "boolean",
  choices: ["authorizations"],
  description: "Rehearse with a staging or the embedded CA; =authorizations: with the CA itself.",
} as const;

/** What takes the place of a state folder: the account's key, and the certificate of the last run. */
const pipelineFlags = under("In a pipeline, where no state is kept:", {
  accountKey,
  currentCert: file("Certificate (PEM) of the last run; nothing is ordered while it is good."),
  currentKey: file("Private key (PEM) of --current-cert."),
});

/** All of them: what `issue` takes. */
export const requestFlags = {
  ...certificateFlags,
  ...issuerFlags,
  ...solverFlags,
  ...visibilityFlags,
  ...deployFlags,
  ...daneFlags,
  ...localFlags,
  ...pipelineFlags,
} as const satisfies OptionDeclarations;
