import { type OptionDeclarations, under } from "../declaration.ts";
import { ca, issuerFlags } from "./account.ts";
import { solverFlags } from "./request.ts";

export const importFlags = {
  dryRun: { type: "boolean", description: "Show what would be imported; write nothing." },
  force: {
    type: "boolean",
    description: "Replace certificates of the same name that come from elsewhere.",
  },
  ...under(ca, {
    check: {
      type: "boolean",
      description: "Ask each CA whether it knows the account; otherwise no CA is asked.",
    },
    server: {
      ...issuerFlags.server,
      description: "CA whose directory URL the other client did not store: a preset or a URL.",
    },
    caBundle: issuerFlags.caBundle,
  }),
  ...solverFlags,
} as const satisfies OptionDeclarations;
