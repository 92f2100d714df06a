import type { OptionDeclarations, OptionsOf } from "../declaration.ts";

export const passFlags = {
  force: {
    type: "boolean",
    description: "Renew before the due time and despite a back-off; a CA's own limit still holds.",
    aliases: ["force-renewal", "renew-force"],
  },
  newOrder: {
    type: "boolean",
    description: "Place new orders instead of resuming unfinished ones.",
  },
  max: {
    type: "integer",
    min: 1,
    description: "Renew at most N certificates; leave the rest for the next run.",
    placeholder: "N",
  },
  concurrency: {
    type: "integer",
    min: 1,
    max: 50,
    default: 8,
    description: "Number of certificates to work on at once.",
    placeholder: "N",
  },
  every: {
    type: "duration",
    description: "Interval of the scheduler; certificates due before its next run are renewed now.",
    placeholder: "TIME",
  },
  jitter: {
    type: "boolean",
    description: "Wait up to 8 minutes before each renewal; for schedulers on many hosts.",
  },
  wait: {
    type: "boolean",
    default: true,
    description: "Wait while another run works on the same certificate.",
  },
  detailedExitcode: {
    type: "boolean",
    description: "Exit with code 10 if a certificate was issued.",
  },
  timings: {
    type: "boolean",
    description: "Show how long each phase and the requests to the CA took.",
  },
} as const satisfies OptionDeclarations;

/** The flags as the pass takes them; `every` is the interval if no flag gives it. A person at a terminal does not wait. */
export function passOptions(
  flags: OptionsOf<typeof passFlags>,
  { interactive }: { readonly interactive: boolean },
  every: number,
) {
  return {
    force: flags.force === true,
    letGo: letGo(flags),
    max: flags.max ?? Number.POSITIVE_INFINITY,
    concurrency: flags.concurrency,
    every: flags.every ?? every,
    jitter: flags.jitter === true && !interactive,
  };
}

/** Which unfinished orders are not resumed: all, or those that the CA is stuck with. */
export function letGo(flags: Partial<OptionsOf<typeof passFlags>>): "all" | "stuck" | undefined {
  if (flags.newOrder === true) return "all";
  return flags.force === true ? "stuck" : undefined;
}
