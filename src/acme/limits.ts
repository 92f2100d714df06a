/** Limits of a CA as its preset has them, or as it granted them to one account. */
import { parseDuration } from "../options/duration.ts";
import { Problem } from "../problem.ts";
import { limitNames, presetOf, type LimitName, type Limits, type RateLimit } from "./presets.ts";

/** Those of the preset, with those of the config (`ordersPerAccount: 3000/3h`) over them. */
export function limitsOf(
  server: string,
  granted: Readonly<Record<string, string>> | undefined,
): Limits {
  const preset = presetOf(server)?.limits ?? {};
  const own = Object.entries(granted ?? {}).map(([name, text]) => {
    const limit = nameOf(name);
    return [limit, parseLimit(text, preset[limit]?.per)] as const;
  });
  return { ...preset, ...Object.fromEntries(own) };
}

function nameOf(text: string): LimitName {
  const name = limitNames.find((one) => one === text);
  if (name !== undefined) return name;
  throw new Problem("config", {
    detail: `limits: "${text}" is not a limit that acmectl counts.`,
    hint: `Use ${limitNames.join(", ")}.`,
  });
}

/** `3000/3h`, or `3000` where the preset knows the time. */
function parseLimit(text: string, usual: number | undefined): RateLimit {
  const [, count = "", time] = /^\s*(\d{1,9})\s*(?:\/\s*(\S+)\s*)?$/.exec(text) ?? [];
  const per = time === undefined ? usual : parseDuration(time);
  const most = Number(count);
  if (most > 0 && per !== undefined && per > 0) return { most, per };
  throw new Problem("config", {
    detail: `limits: "${text}" is not a number and a time.`,
    hint: "Write how many in which time, e.g. 3000/3h or 500/7d.",
  });
}
