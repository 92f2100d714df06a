/** Faults that show only when sections are held against each other. */
import type { Sections } from "./check.ts";
import { type Fault } from "./yaml.ts";
import { isRecord } from "../json.ts";

/** Names that lead nowhere, choices that exclude each other, certificates that lack what others would have given. */
export function crossFaults(sections: Sections): readonly Fault[] {
  const certificates = Object.entries(sections.certificates);
  return [
    ...references(["defaults"], sections.defaults, sections),
    ...certificates.flatMap(([name, certificate]) => {
      const keys = ["certificates", name];
      return isRecord(certificate)
        ? [
            ...references(keys, certificate, sections),
            ...names(keys, certificate),
            ...issuer(keys, certificate, sections),
          ]
        : [];
    }),
  ];
}

type Values = Readonly<Record<string, unknown>>;

function references(keys: readonly string[], values: Values, sections: Sections): Fault[] {
  const faults: Fault[] = [];
  const look = (option: string, section: "issuers" | "solvers", name: unknown) => {
    if (typeof name !== "string" || Object.hasOwn(sections[section], name)) return;
    const known = Object.keys(sections[section]).join(", ") || "none yet";
    faults.push({
      keys: [...keys, option],
      message: `${[...keys, option].join(".")} names ${JSON.stringify(name)}, which is not one of the ${section}.`,
      hint: `Known ${section}: ${known}.`,
    });
  };
  look("issuer", "issuers", values["issuer"]);
  look("solver", "solvers", values["solver"]);
  const solvers: unknown = values["solvers"];
  if (Array.isArray(solvers)) for (const name of solvers) look("solvers", "solvers", name);
  for (const [one, other] of [
    ["solver", "solvers"],
    ["profile", "requiredProfile"],
  ] as const) {
    if (values[one] === undefined || values[other] === undefined) continue;
    faults.push({
      keys: [...keys, other],
      message: `${keys.join(".")} says both ${one} and ${other}; one of them is enough.`,
    });
  }
  return faults;
}

function names(keys: readonly string[], { domains, csr }: Values): Fault[] {
  if (csr !== undefined || (Array.isArray(domains) && domains.length > 0)) return [];
  return [
    {
      keys,
      message: `${keys.join(".")} names nothing: it needs domains, or a csr that has them.`,
      incomplete: true,
    },
  ];
}

function issuer(
  keys: readonly string[],
  certificate: Values,
  { issuers, defaults }: Sections,
): Fault[] {
  const known = Object.keys(issuers);
  if (known.length < 2 || certificate["issuer"] !== undefined || defaults["issuer"] !== undefined) {
    return [];
  }
  return [
    {
      keys,
      message: `${keys.join(".")} does not say which of the issuers it is from: ${known.join(", ")}.`,
      hint: "Set its issuer, or defaults.issuer for all.",
      incomplete: true,
    },
  ];
}
