/** Stryker's changes of some sources, all of them in one text each: a switch says at run time which of them is active. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Instrumenter } from "@stryker-mutator/instrumenter";

export interface Mutant {
  readonly id: string;
  readonly source: string;
  /** Line and column, from 1. */
  readonly place: string;
  readonly kind: string;
  readonly replacement: string;
}

export interface Instrumented {
  /** By absolute path. */
  readonly texts: ReadonlyMap<string, string>;
  readonly mutants: readonly Mutant[];
}

/** Of each source at most `most` mutants, the same in each run. */
export async function instrument(sources: readonly string[], most: number): Promise<Instrumented> {
  const files = sources.map((name) => ({
    name: resolve(name),
    content: readFileSync(name, "utf8"),
    mutate: true,
  }));
  // Texts and patterns are excluded: most of them are words for people.
  const options = {
    plugins: null,
    ignorers: [],
    excludedMutations: ["StringLiteral", "Regex"],
  };
  const { files: texts, mutants } = await new Instrumenter(silent).instrument(files, options);
  const changed = mutants.filter(({ status }) => status !== "Ignored");
  const found = changed.map(({ id, fileName, location, mutatorName, replacement }) => ({
    id,
    source: sources[files.findIndex(({ name }) => name === fileName)] ?? fileName,
    place: `${location.start.line + 1}:${location.start.column + 1}`,
    kind: mutatorName,
    replacement: replacement.split("\n")[0] ?? "",
  }));
  const drawn = sources.flatMap((source) => draw(found, source, most));
  return { texts: new Map(texts.map(({ name, content }) => [name, content])), mutants: drawn };
}

function draw(mutants: readonly Mutant[], source: string, most: number): readonly Mutant[] {
  const own = mutants.filter((mutant) => mutant.source === source);
  const lot = ({ place, kind, replacement }: Mutant) =>
    createHash("sha256").update(`${source} ${place} ${kind} ${replacement}`).digest("hex");
  const chosen = own.toSorted((a, b) => (lot(a) < lot(b) ? -1 : 1)).slice(0, most);
  return own.filter((mutant) => chosen.includes(mutant));
}

const nothing = () => {};
const no = () => false;
const silent = {
  isTraceEnabled: no,
  isDebugEnabled: no,
  isInfoEnabled: no,
  isWarnEnabled: no,
  isErrorEnabled: no,
  isFatalEnabled: no,
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  fatal: nothing,
};
