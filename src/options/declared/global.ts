/** The options that every command has. */
import type { OptionDeclarations } from "../declaration.ts";

/** The heading in help under which they stand. */
export const everywhere = "Options of every command:";

export const globalOptions = {
  config: {
    type: "path",
    description: "Config file; /etc/acmectl/config.yaml for root, else in the XDG config folder.",
    placeholder: "FILE",
    group: everywhere,
  },
  state: {
    type: "path",
    description:
      "Folder of accounts, keys and certificates; /var/lib/acmectl for root, else the XDG state folder.",
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
    description: "Format of events on stderr; json prints one object per line.",
    choices: ["text", "json"],
    default: "text",
    placeholder: "FORMAT",
    group: everywhere,
  },
  quiet: {
    type: "boolean",
    description: "Print only warnings and errors.",
    short: "q",
    group: everywhere,
  },
  verbose: {
    type: "boolean",
    description: "Print requests, DNS checks and causes of failures.",
    short: "v",
    group: everywhere,
  },
  nonInteractive: {
    type: "boolean",
    description: "Never prompt; implied without a terminal.",
    short: "n",
    aliases: ["noninteractive"],
    group: everywhere,
  },
  color: {
    type: "boolean",
    description: "Use colors, or not (--no-color), whatever the terminal and NO_COLOR say.",
    aliases: ["colour"],
    group: everywhere,
  },
} as const satisfies OptionDeclarations;
