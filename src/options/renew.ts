import type { OptionDeclarations } from "./declaration.ts";

/** What every pass over the certificates takes. */
export const passFlags = {
  force: {
    type: "boolean",
    description:
      "Renew what is not due, and try again what is backing off; a CA's own limit still holds.",
    aliases: ["force-renewal", "renew-force"],
  },
  max: {
    type: "integer",
    min: 1,
    description: "Renew at most so many; the rest is left for the next run.",
    placeholder: "N",
  },
  concurrency: {
    type: "integer",
    min: 1,
    max: 50,
    default: 4,
    description: "How many certificates are worked on at once.",
    placeholder: "N",
  },
  jitter: {
    type: "boolean",
    default: true,
    description:
      "Without a terminal, wait up to 8 minutes before the first request, so that not all hosts come at once.",
  },
  wait: {
    type: "boolean",
    default: true,
    description: "Wait when another run works on the same certificate.",
  },
  detailedExitcode: { type: "boolean", description: "Exit with 10 when something was issued." },
} as const satisfies OptionDeclarations;

/** Milliseconds. */
export const longestJitter = 8 * 60_000;
