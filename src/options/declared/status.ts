import type { OptionDeclarations } from "../declaration.ts";

/** For monitors. */
export const monitorFlags = {
  check: {
    type: "boolean",
    description:
      "Exit with 9 when only deploy steps failed, 6 when only attempts fail, 11 when a certificate is missing, drifted, past due, expired or about to expire.",
  },
  warn: {
    type: "duration",
    description: "With --check: also when a certificate expires sooner than this, e.g. 14d.",
    placeholder: "TIME",
  },
  format: {
    type: "string",
    choices: ["text", "prometheus"],
    default: "text",
    description: "prometheus is for the node exporter's textfile collector.",
    placeholder: "FORMAT",
  },
  output: {
    type: "path",
    description: "With --format prometheus: write this file, in one rename, instead of stdout.",
    placeholder: "FILE",
  },
} as const satisfies OptionDeclarations;
