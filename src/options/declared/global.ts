/** The options that every command has. */
import type { OptionDeclarations } from "../declaration.ts";

/** The heading in help under which they stand. */
export const everywhere = "Options of every command:";

export const globalOptions = {
  config: {
    type: "path",
    description:
      "The config file; /etc/acmectl/config.yaml for root, else in the XDG config folder.",
    placeholder: "FILE",
    group: everywhere,
  },
  state: {
    type: "path",
    description:
      "Where accounts, keys and certificates are kept; /var/lib/acmectl for root, else the XDG state folder.",
    placeholder: "DIR",
    group: everywhere,
  },
  json: {
    type: "boolean",
    description: "Print one JSON document on stdout.",
    group: everywhere,
  },
  logFormat: {
    type: "string",
    description: "How events read on stderr; json is one object a line.",
    choices: ["text", "json"],
    default: "text",
    placeholder: "FORMAT",
    group: everywhere,
  },
  quiet: {
    type: "boolean",
    description: "Say nothing while all is well.",
    short: "q",
    group: everywhere,
  },
  verbose: {
    type: "boolean",
    description: "Say more: each request, each look at the DNS, causes of failures.",
    short: "v",
    group: everywhere,
  },
  nonInteractive: {
    type: "boolean",
    description: "Never ask anything; implied without a terminal.",
    short: "n",
    aliases: ["noninteractive"],
    group: everywhere,
  },
  color: {
    type: "boolean",
    description: "Colours, or none with --no-color, whatever the terminal and NO_COLOR say.",
    aliases: ["colour"],
    group: everywhere,
  },
} as const satisfies OptionDeclarations;
