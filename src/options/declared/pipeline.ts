import { registrationFlags } from "./account.ts";
import type { OptionDeclaration, OptionDeclarations } from "../declaration.ts";

const group = "In a pipeline, where no state is kept:";

export const dryRun = {
  type: "boolean",
  choices: ["authorizations"],
  description: "Rehearse with a staging or the embedded CA; =authorizations: with the CA itself.",
} as const satisfies OptionDeclaration;

/** What takes the place of a state folder: the account's key, and the certificate of the last run. */
export const pipelineFlags = {
  accountKey: { ...registrationFlags.accountKey, group },
  currentCert: {
    type: "path",
    description: "Certificate (PEM) of the last run; nothing is ordered while it is good.",
    placeholder: "FILE",
    group,
  },
  currentKey: {
    type: "path",
    description: "Private key (PEM) of --current-cert.",
    placeholder: "FILE",
    group,
  },
} as const satisfies OptionDeclarations;
