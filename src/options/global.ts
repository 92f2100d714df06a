/** The options that every command has. */
import type { OptionDeclarations } from "./declaration.ts";

const group = "Everywhere:";

export const globalOptions = {
  config: {
    type: "path",
    description: "The config file.",
    placeholder: "FILE",
    group,
  },
  state: {
    type: "path",
    description: "Where accounts, certificates and keys are kept.",
    placeholder: "DIR",
    group,
  },
  json: {
    type: "boolean",
    description: "Print one JSON document on stdout.",
    group,
  },
  logFormat: {
    type: "string",
    description: "How events read on stderr; json is one event a line.",
    choices: ["text", "json"],
    default: "text",
    placeholder: "FORMAT",
    group,
  },
  quiet: {
    type: "boolean",
    description: "Say nothing while all is well.",
    short: "q",
    group,
  },
  verbose: {
    type: "boolean",
    description: "Say more: each request, each look at the DNS, causes of failures.",
    short: "v",
    group,
  },
  nonInteractive: {
    type: "boolean",
    description: "Never ask anything; implied without a terminal.",
    short: "n",
    aliases: ["noninteractive"],
    group,
  },
  color: {
    type: "boolean",
    description: "Colours, whatever the terminal and NO_COLOR say.",
    aliases: ["colour"],
    group,
  },
} as const satisfies OptionDeclarations;
