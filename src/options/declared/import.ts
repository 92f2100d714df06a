import type { OptionDeclarations } from "../declaration.ts";
import { solverFlags } from "./request.ts";

const ca = "Certificate authority:";

/** What every importer takes. */
export const importFlags = {
  dryRun: { type: "boolean", description: "Show what would be taken over; write nothing." },
  force: {
    type: "boolean",
    description: "Replace certificates of the same names that come from elsewhere.",
  },
  check: {
    type: "boolean",
    description: "Ask each CA whether it knows the account; without it nothing is asked.",
    group: ca,
  },
  server: {
    type: "string",
    description:
      "The CA, where the other client has not written its directory down: a preset or a directory URL.",
    short: "s",
    placeholder: "CA",
    group: ca,
  },
  caBundle: {
    type: "path",
    description: "PEM file of further roots to trust for the CAs' servers.",
    placeholder: "FILE",
    group: ca,
  },
  ...solverFlags,
} as const satisfies OptionDeclarations;
