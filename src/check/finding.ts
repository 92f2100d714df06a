import { Problem } from "../problem.ts";

/** What is looked at. */
export const subjects = [
  "ca",
  "clock",
  "limits",
  "solver",
  "delegation",
  "persist",
  "dane",
  "dnssec",
  "caa",
  "http",
  "tls",
] as const;
export type Subject = (typeof subjects)[number];

export interface Finding {
  /** `unknown`: this machine could not find out. It means neither that issuance fails nor that it succeeds. */
  readonly severity: "error" | "warning" | "unknown";
  /** The name of the certificate that it is about; absent when it is about all. */
  readonly name?: string | undefined;
  readonly detail: string;
  readonly remedy: string;
}

/** One thing that was looked at. */
export interface Checked {
  readonly subject: Subject;
  readonly findings: readonly Finding[];
  /** Why it was not looked at, where it need not be. */
  readonly skipped?: string | undefined;
  /** What was seen and is not a fault. */
  readonly notes?: readonly string[] | undefined;
}

export function finding(
  severity: Finding["severity"],
  name: string | undefined,
  detail: string,
  remedy: string,
): Finding {
  return { severity, name, detail, remedy };
}

/** A Problem as a finding: a network that does not answer leaves it open whether anything is wrong. */
export function findingOf(
  error: unknown,
  { name, severity }: { name?: string | undefined; severity?: Finding["severity"] } = {},
): Finding {
  if (!Problem.is(error)) throw error;
  const { message, hint = "Fix what is reported, then run the check again.", exitCode } = error;
  return finding(severity ?? (exitCode === 4 ? "unknown" : "error"), name, message, hint);
}
