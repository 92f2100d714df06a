/** Where the state is: options of every command, and keys of the config. */
import { type OptionDeclarations, under } from "../declaration.ts";

/** The heading in help under which they are listed. */
export const everywhere = "Options of every command:";

export const stateOptions = under(everywhere, {
  state: {
    type: "path",
    description:
      "Folder, postgres:// or s3:// URL of the state; /var/lib/acmectl for root, else XDG.",
    placeholder: "PLACE",
    schemes: ["postgres", "postgresql", "s3"],
  },
  stateKey: {
    type: "list",
    description: "Keys that encrypt private keys in a shared state; the first encrypts.",
    reference: true,
    verbatim: true,
    placeholder: "REFERENCE",
  },
  stateUnencrypted: {
    type: "boolean",
    description: "Allow private keys in a shared state that are not encrypted.",
  },
  stateFiles: {
    type: "path",
    description: "Folder for this host's files of certificates in a shared state.",
    placeholder: "DIR",
  },
});

/** Of commands that act for one host of several. */
export const hostFlags = {
  host: {
    type: "string",
    description: "Name of this host in a shared state; its host name when absent.",
    placeholder: "NAME",
  },
} as const satisfies OptionDeclarations;

/** Keys at the top of the config. */
export const topOptions = { ...stateOptions, ...hostFlags };
