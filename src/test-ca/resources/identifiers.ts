import { isIP } from "node:net";
import { domainToUnicode } from "node:url";
import { AcmeProblem, demand, type Identifier } from "../acme-problem.ts";
import { isRecord } from "../../json.ts";

const most = 100;

/** Reads the identifiers of a newOrder: lower-cased, without duplicates, sorted, all bad ones named at once (§6.7.1). */
export function readIdentifiers(value: unknown): readonly Identifier[] {
  demand(Array.isArray(value) && value.length > 0, "The order has no identifiers.");
  const identifiers = unique(value.map(readIdentifier));
  if (identifiers.length > most) {
    const detail = `The order has ${identifiers.length} identifiers; at most ${most} are accepted.`;
    throw new AcmeProblem("rejectedIdentifier", detail);
  }
  const refused = identifiers.map(refusal).filter((problem) => problem !== undefined);
  if (refused.length > 0) throw summary(refused);
  return identifiers;
}

function readIdentifier(value: unknown): Identifier {
  demand(isRecord(value), "An identifier is not an object.");
  const { type, value: name } = value;
  demand(
    typeof type === "string" && typeof name === "string",
    "An identifier lacks type or value.",
  );
  return { type, value: name.toLowerCase() };
}

function unique(identifiers: readonly Identifier[]): Identifier[] {
  const byText = new Map(identifiers.map((each) => [`${each.type} ${each.value}`, each]));
  return [...byText.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, each]) => each);
}

function summary(problems: readonly AcmeProblem[]): AcmeProblem {
  const [first, ...others] = problems;
  if (first !== undefined && others.length === 0) return first;
  const types = new Set(problems.map((problem) => problem.json.type));
  const type = types.size === 1 ? String(first?.json.type.split(":").at(-1)) : "compound";
  return new AcmeProblem(type, `${problems.length} identifiers are refused.`, {
    subproblems: problems.map((problem) => problem.asSubproblem()),
  });
}

function refusal(identifier: Identifier): AcmeProblem | undefined {
  const { type, value } = identifier;
  if (type !== "dns" && type !== "ip") {
    const detail = `Identifiers of type ${type} are not supported.`;
    return new AcmeProblem("unsupportedIdentifier", detail, { identifier });
  }
  const why = type === "ip" ? faultOfAddress(value) : faultOfName(value);
  if (why === undefined) return undefined;
  return new AcmeProblem("rejectedIdentifier", `"${value}" ${why}.`, { identifier });
}

function faultOfAddress(value: string): string | undefined {
  const family = isIP(value);
  if (family === 0 || value.includes("%")) return "is not an IP address";
  const canonical = family === 4 ? value : new URL(`http://[${value}]`).hostname.slice(1, -1);
  return canonical === value ? undefined : `is not canonical; write ${canonical} (RFC 5952)`;
}

function faultOfName(value: string): string | undefined {
  if (isIP(value) !== 0) return "is an IP address, not a DNS name";
  const name = value.startsWith("*.") ? value.slice(2) : value;
  if (name.includes("*")) return "has a wildcard that is not the whole left-most label";
  if (name.length > 253) return "is longer than 253 characters";
  const labels = name.split(".");
  if (/^\d+$/.test(labels.at(-1) ?? "")) return "ends in a number";
  return labels.map(faultOfLabel).find((fault) => fault !== undefined);
}

function faultOfLabel(label: string): string | undefined {
  if (label === "") return "has an empty label";
  if (label.length > 63) return "has a label longer than 63 characters";
  if (!/^[a-z0-9-]+$/.test(label)) return `has characters that are not allowed in "${label}"`;
  if (label.startsWith("-") || label.endsWith("-")) return `has "${label}", which a hyphen borders`;
  if (label.slice(2, 4) !== "--") return undefined;
  const unicode = label.startsWith("xn--") ? domainToUnicode(label) : "";
  return unicode === "" || unicode === label
    ? `has "${label}", which is not a valid A-label`
    : undefined;
}
