import { registrationFlags } from "./account.ts";
import type { OptionDeclarations } from "../declaration.ts";

const group = "In a pipeline, where no state is kept:";

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
