import type { OptionDeclarations } from "../declaration.ts";
import { solverFlags } from "./request.ts";

const ca = "Certificate authority:";

/** The options of every importer. */
export const importFlags = {
  dryRun: { type: "boolean", description: "Show what would be imported; write nothing." },
  force: {
    type: "boolean",
    description: "Replace certificates of the same name that come from elsewhere.",
  },
  check: {
    type: "boolean",
    description: "Ask each CA whether it knows the account; otherwise no CA is asked.",
    group: ca,
  },
  server: {
    type: "string",
    description: "CA whose directory URL the other client did not store: a preset or a URL.",
    short: "s",
    placeholder: "CA",
    group: ca,
  },
  caBundle: {
    type: "path",
    description: "PEM file of root certificates to trust for the CAs' servers.",
    placeholder: "FILE",
    group: ca,
  },
  ...solverFlags,
} as const satisfies OptionDeclarations;
