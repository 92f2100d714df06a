import { registrationFlags } from "./account.ts";
import type { OptionDeclarations } from "../declaration.ts";

const group = "In a pipeline, where no state is kept:";

/** What takes the place of a state folder: the account's key, and the certificate of the last run. */
export const pipelineFlags = {
  accountKey: { ...registrationFlags.accountKey, group },
  currentCert: {
    type: "path",
    description:
      "The certificate (PEM) that the last run got; nothing is ordered while it is good. The file may be missing.",
    placeholder: "FILE",
    group,
  },
  currentKey: {
    type: "path",
    description: "Its private key (PEM), which must belong to it.",
    placeholder: "FILE",
    group,
  },
} as const satisfies OptionDeclarations;
