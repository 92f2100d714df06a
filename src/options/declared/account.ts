/** The options of a CA and of an account with it. */
import { macAlgorithms } from "../../certificate.ts";
import { file, type OptionDeclarations, under } from "../declaration.ts";

export const ca = "Certificate authority:";

export const issuerFlags = under(ca, {
  server: {
    type: "string",
    description: "CA to use: a preset, a directory URL, an issuer of the config, or local.",
    short: "s",
    placeholder: "CA",
    offers: "servers",
  },
  staging: {
    type: "boolean",
    description: "Use the CA's staging environment, whose certificates browsers do not trust.",
    aliases: ["test-cert"],
  },
  email: {
    type: "string",
    description: "Contact address for the CA account.",
    short: "m",
    placeholder: "ADDRESS",
  },
  agreeTos: {
    type: "boolean",
    description: "Agree to the CA's terms of service.",
    aliases: ["accept-tos"],
  },
  eabKid: {
    type: "string",
    description: "Key identifier of the external account binding.",
    placeholder: "ID",
  },
  eabHmac: {
    type: "string",
    reference: true,
    secret: true,
    description: "Reference to the EAB HMAC key: env:NAME, file:/path or cmd:program.",
    aliases: ["eab-hmac-key"],
    placeholder: "REF",
  },
  eabHmacAlg: {
    type: "string",
    choices: macAlgorithms,
    description: "Algorithm of the EAB HMAC key; HS256 when absent.",
    placeholder: "ALG",
  },
  zerosslApiKey: {
    type: "string",
    reference: true,
    secret: true,
    env: ["ZEROSSL_API_KEY", "ZEROSSL_ACCESS_KEY"],
    description: "Reference to an API key of ZeroSSL, which gets the EAB; else --email does.",
    placeholder: "REF",
  },
  caBundle: {
    ...file("Root certificates (PEM) to trust for the CA's server: a file, or the text."),
    pem: true,
  },
  clientCert: {
    ...file("Client certificate (PEM), with its chain, for a CA that requires one."),
    pem: true,
  },
  clientKey: file("Private key (PEM) of --client-cert."),
});

export const accountKey = {
  type: "string",
  reference: true,
  secret: true,
  description:
    "Use this account key (PEM) instead of a new one: env:NAME, file:/path or cmd:program.",
  placeholder: "REF",
} as const;

/** Of an account, before it is used: standing DNS records may contain it. */
export const newKey = file("New key of the account (PEM); created if the file does not exist.");

const { server, staging, caBundle, clientCert, clientKey, ...registration } = issuerFlags;

/** The CA of an account command. */
export const directoryFlags = {
  server,
  staging,
  caBundle,
  clientCert,
  clientKey,
} as const satisfies OptionDeclarations;

/** What registering an account takes. */
export const registrationFlags = {
  ...directoryFlags,
  ...registration,
  reregister: {
    type: "boolean",
    description: "Register again if the CA no longer knows the account.",
  },
  accountKey,
} as const satisfies OptionDeclarations;
