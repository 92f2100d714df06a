import type { OptionDeclarations, OptionsOf } from "../declaration.ts";

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
      "Wait up to 8 minutes before the first request of a run without a terminal, when all hosts would come at once.",
  },
  wait: {
    type: "boolean",
    default: true,
    description: "Wait when another run works on the same certificate.",
  },
  detailedExitcode: { type: "boolean", description: "Exit with 10 when something was issued." },
} as const satisfies OptionDeclarations;

/** Milliseconds: what certbot and lego wait at most. */
const longestJitter = 8 * 60_000;

/** The flags as the pass takes them. A person at a terminal does not wait. */
export function passOptions(
  flags: OptionsOf<typeof passFlags>,
  { interactive }: { readonly interactive: boolean },
) {
  return {
    force: flags.force === true,
    max: flags.max ?? Number.POSITIVE_INFINITY,
    concurrency: flags.concurrency,
    jitter: flags.jitter && !interactive ? longestJitter : 0,
  };
}
