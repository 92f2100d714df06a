/** Values whose meaning other parts know: a CA's name, a name for a certificate. */
import { Problem } from "../problem.ts";
import type { Sections } from "./check.ts";
import { type Fault } from "./yaml.ts";
import { isRecord } from "../json.ts";

/** By option of an issuer and of a certificate: throws a Problem for a text, or for an item of a list, that means nothing. */
export interface ValueChecks {
  readonly issuers: Readonly<Record<string, (text: string) => unknown>>;
  readonly certificates: Readonly<Record<string, (text: string) => unknown>>;
}

/** What the checks find wrong, each with the place of its value. */
export function valueFaults(sections: Sections, checks: ValueChecks): readonly Fault[] {
  return (["issuers", "certificates"] as const).flatMap((section) =>
    Object.entries(sections[section]).flatMap(([name, entry]) =>
      Object.entries(checks[section]).flatMap(([option, check]) => {
        const value = isRecord(entry) ? entry[option] : undefined;
        const keys = [section, name, option];
        if (!Array.isArray(value)) return fault(keys, value, check);
        return value.flatMap((item, index) => fault([...keys, index], item, check));
      }),
    ),
  );
}

function fault(
  keys: readonly (string | number)[],
  value: unknown,
  check: (text: string) => unknown,
): readonly Fault[] {
  if (typeof value !== "string") return [];
  try {
    check(value);
    return [];
  } catch (error) {
    if (!Problem.is(error)) throw error;
    const { message, hint } = error;
    const place = keys.slice(0, 3).join(".");
    return [{ keys, message: `${place}: ${message}`, ...(hint === undefined ? {} : { hint }) }];
  }
}
