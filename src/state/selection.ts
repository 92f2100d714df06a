import type { CertificateRequest } from "../certificate.ts";

/** Certificates by name and labels: those that fit both. One that has neither selects all. */
export interface Selection {
  /** In each, `*` stands for any characters, and `\*` for a star. */
  readonly names?: readonly string[] | undefined;
  /** The certificate has all of these. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

/** Of a certificate whose record cannot be read, only the name decides. */
export function isSelected(
  { names, labels = {} }: Selection,
  { name, request }: { name: string; request?: Pick<CertificateRequest, "labels"> | undefined },
): boolean {
  const has = ([label, value]: readonly [string, string]) => request?.labels[label] === value;
  return (
    (names === undefined || new RegExp(patternOf(names), "u").test(name)) &&
    (request === undefined || Object.entries(labels).every(has))
  );
}

/** A regular expression for all of the names, for JavaScript and for PostgreSQL. */
export function patternOf(names: readonly string[]): string {
  return `^(${names
    .map((name) =>
      name
        .split(/(\\\*|\*)/)
        .map(partOf)
        .join(""),
    )
    .join("|")})$`;
}

function partOf(part: string): string {
  if (part === "*") return ".*";
  return part === "\\*" ? part : part.replaceAll(/[.?+^$(){}|[\]\\/]/g, String.raw`\$&`);
}

/** The names if none of them has a star that stands for others. */
export function exactNames(names: readonly string[]): readonly string[] | undefined {
  if (names.some((name) => /(?<!\\)\*/.test(name))) return undefined;
  return names.map((name) => name.replaceAll("\\*", "*"));
}
