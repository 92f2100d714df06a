/** What the config's values have to mean to the parts that will read them. */
import { parseIdentifiers } from "../acme/identifiers.ts";
import { resolveServer } from "../acme/presets.ts";
import { parsePlace } from "../options/place.ts";
import type { ValueChecks } from "./values.ts";

/** Nobody is asked: these read the texts alone. */
export const valueChecks: ValueChecks = {
  issuers: { server: (text) => (text === "local" ? text : resolveServer(text)) },
  certificates: { domains: (text) => parseIdentifiers([text]), selfCheckAt: parsePlace },
};
