import type { OptionDeclarations } from "../declaration.ts";
import { issuerFlags } from "./request.ts";

const { server, staging, email, agreeTos, eabKid, eabHmac, caBundle } = issuerFlags;

/** The CA of an account command. */
export const directoryFlags = { server, staging, caBundle } as const satisfies OptionDeclarations;

/** What registering an account takes besides. */
export const registrationFlags = {
  ...directoryFlags,
  email,
  agreeTos,
  eabKid,
  eabHmac,
  reregister: {
    type: "boolean",
    description: "Register again if the CA no longer knows the account.",
  },
  accountKey: {
    type: "string",
    reference: true,
    secret: true,
    description:
      "Use this account key (PEM) instead of a new one: env:NAME, file:/path or cmd:program.",
    placeholder: "REF",
  },
} as const satisfies OptionDeclarations;
