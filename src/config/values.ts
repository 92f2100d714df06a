/** Values whose meaning other rooms know: a CA's name, domain names, an address to look at. */
import { parseIdentifiers } from "../acme/identifiers.ts";
import { resolveServer } from "../acme/presets.ts";
import { isRecord } from "../json.ts";
import { parsePlace } from "../options/place.ts";
import { asProblem } from "../problem.ts";
import type { Sections } from "./sections.ts";
import type { Fault } from "./yaml.ts";

type Check = (text: string) => unknown;

/** By section and option: throws a Problem for a text, or for an item of a list, that means nothing. */
const checks: Readonly<Record<"issuers" | "certificates", Readonly<Record<string, Check>>>> = {
  issuers: { server: resolveServer },
  certificates: { domains: (text) => parseIdentifiers([text]), selfCheckAt: parsePlace },
};

/** Every value that means nothing, with its place. Reads the texts alone and asks no server. */
export function valueFaults(sections: Sections): readonly Fault[] {
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

function fault(keys: readonly (string | number)[], value: unknown, check: Check): readonly Fault[] {
  if (typeof value !== "string") return [];
  try {
    check(value);
    return [];
  } catch (error) {
    const { message, hint } = asProblem(error);
    const place = keys.slice(0, 3).join(".");
    return [{ keys, message: `${place}: ${message}`, hint }];
  }
}
