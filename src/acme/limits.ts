/** Limits of a CA as its preset has them, or as it granted them to one account. */
import { parseDuration } from "../options/duration.ts";
import { nearest } from "../options/near.ts";
import { Problem } from "../problem.ts";
import { limitNames, presetOf, type LimitName, type Limits, type RateLimit } from "./presets.ts";

/** Those of the preset, with those of the config (`ordersPerAccount: 3000/3h`) over them. `place` is where these are. */
export function limitsOf(
  server: string,
  granted: Readonly<Record<string, string>> | undefined,
  place = "limits",
): Limits {
  const preset = presetOf(server)?.limits ?? {};
  const own = Object.entries(granted ?? {}).map(([name, text]) => {
    const limit = nameOf(name, place);
    return [limit, parseLimit(text, preset[limit]?.per, `${place}.${limit}`)] as const;
  });
  return { ...preset, ...Object.fromEntries(own) };
}

function nameOf(text: string, place: string): LimitName {
  const name = limitNames.find((one) => one === text);
  if (name !== undefined) return name;
  const near = nearest(text, limitNames);
  throw new Problem("config", {
    detail: `${place}: "${text}" is not a limit that acmectl counts.`,
    hint: `${near === undefined ? "" : `Did you mean ${near}? `}Use ${limitNames.join(", ")}.`,
  });
}

/** `3000/3h`, or `3000` where the preset knows the time. */
function parseLimit(text: string, usual: number | undefined, place: string): RateLimit {
  const [, count = "", time] = /^\s*(\d{1,9})\s*(?:\/\s*(\S+)\s*)?$/.exec(text) ?? [];
  const per = time === undefined ? usual : parseDuration(time);
  const most = Number(count);
  if (most > 0 && per !== undefined && per > 0) return { most, per };
  throw new Problem("config", {
    detail: `${place}: "${text}" is not a number and a time.`,
    hint: "Write how many in which time, e.g. 3000/3h or 500/7d.",
  });
}
