import type { OptionDeclarations } from "../declaration.ts";

/** For monitors. */
export const monitorFlags = {
  check: {
    type: "boolean",
    description:
      "Exit with 6 (attempts fail), 9 (deploy steps failed) or 11 (anything else is wrong).",
  },
  warn: {
    type: "duration",
    description: "With --check: also fail if a certificate expires within this time, e.g. 14d.",
    placeholder: "TIME",
  },
  format: {
    type: "string",
    choices: ["text", "prometheus"],
    default: "text",
    description: "Output format; prometheus is for the node exporter's textfile collector.",
    placeholder: "FORMAT",
  },
  output: {
    type: "path",
    description: "With --format prometheus: file to replace in one rename, instead of stdout.",
    placeholder: "FILE",
  },
} as const satisfies OptionDeclarations;
