import type { OptionDeclarations } from "../declaration.ts";
import { issuerFlags } from "./request.ts";

const { server, staging, email, agreeTos, eabKid, eabHmac, caBundle } = issuerFlags;

/** Which CA an account command speaks to. */
export const directoryFlags = { server, staging, caBundle } as const satisfies OptionDeclarations;

/** What making an account takes besides. */
export const registrationFlags = {
  ...directoryFlags,
  email,
  agreeTos,
  eabKid,
  eabHmac,
  reregister: {
    type: "boolean",
    description:
      "For a CA that knows the account no more: register the stored key again, or a new one where the account was ended.",
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
