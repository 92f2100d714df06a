/** The options that every command has. */
import { file, under } from "../declaration.ts";
import { everywhere, stateOptions } from "./state.ts";

export const globalOptions = under(everywhere, {
  config: file("Config file; /etc/acmectl/config.yaml for root, else in the XDG config folder."),
  ...stateOptions,
  json: { type: "boolean", description: "Print one JSON document on stdout." },
  logFormat: {
    type: "string",
    description: "Format of events on stderr; json prints one object per line.",
    choices: ["text", "json"],
    default: "text",
    placeholder: "FORMAT",
  },
  quiet: {
    type: "boolean",
    description: "Print failures only, with the warnings before them.",
    short: "q",
  },
  verbose: {
    type: "boolean",
    description: "Print requests, DNS checks and causes of failures.",
    short: "v",
  },
  nonInteractive: {
    type: "boolean",
    description: "Never prompt; implied by --json, CI, and without a terminal.",
    short: "n",
    aliases: ["noninteractive"],
  },
  color: {
    type: "boolean",
    description: "Use colors, or not (--no-color), whatever the terminal and NO_COLOR say.",
    aliases: ["colour"],
  },
});
