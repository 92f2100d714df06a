/** What is known when a question is chosen. */
import { parseIdentifiers } from "../acme/identifiers.ts";
import type { Answers } from "./answers.ts";
import type { Findings } from "./findings.ts";
import type { GivenFlags } from "./command-line.ts";

export interface Known {
  readonly answers: Answers;
  /** Those of a conversation that was left, which are offered first. */
  readonly earlier: Answers;
  readonly findings: Findings;
  /** Options of `issue` from the command line, which are not asked about. */
  readonly given: GivenFlags;
  /** The folder of acmectl's own files of the certificate; undefined where the state is not a folder. */
  readonly own?: string | undefined;
  readonly isRoot: boolean;
}

/** The names of the certificate as identifiers; empty before they are known. */
export function namesOf({ answers, given }: Pick<Known, "answers" | "given">): readonly string[] {
  const { domains = answers.domains } = given;
  return domains === undefined ? [] : namesIn(domains);
}

/** A Problem says what is wrong with them. */
export function namesIn(given: string | readonly string[]): readonly string[] {
  const names = typeof given === "string" ? given.split(",") : given;
  const written = names.filter((name) => name.trim() !== "");
  return parseIdentifiers(written).map(({ value }) => value);
}

/** The CA as `--server` takes it; undefined before it is known. */
export function serverOf({ answers, given }: Pick<Known, "answers" | "given">): string | undefined {
  const { server, directory } = answers;
  const usual = given.staging === true ? "letsencrypt" : undefined;
  return given.server ?? usual ?? (server === "other" ? directory?.trim() : server);
}
