/** Sabotages, one after the other in one copy of the sources. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import type { Sabotage } from "./sabotages.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const copied = ["bin", "docs", "plugins", "schema", "src", "test", "package.json", "tsconfig.json"];

export interface Sabotaged {
  readonly sabotage: Sabotage;
  /** The titles of the tests that failed; none if the sabotage was not noticed. */
  readonly failed: readonly string[];
  /** Why it counts as not noticed. */
  readonly why?: string | undefined;
}

/** The tests pass without a sabotage: they are part of the check. */
export async function* trySabotages(sabotages: readonly Sabotage[]): AsyncIterable<Sabotaged> {
  const copy = mkdtempSync(join(tmpdir(), "acmectl-sabotage-"));
  // PostgreSQL's programs run as another user and load their libraries from the linked cache.
  chmodSync(copy, 0o755);
  try {
    for (const name of copied) cpSync(join(root, name), join(copy, name), { recursive: true });
    for (const name of ["node_modules", "dist", ".cache"])
      if (existsSync(join(root, name))) symlinkSync(join(root, name), join(copy, name));
    for (const sabotage of sabotages) yield await trySabotage(sabotage, copy);
  } finally {
    rmSync(copy, { recursive: true });
  }
}

async function trySabotage(sabotage: Sabotage, copy: string): Promise<Sabotaged> {
  const { file, out, tests } = sabotage;
  const source = readFileSync(join(root, file), "utf8");
  const found = source.split(out).length - 1;
  if (found !== 1)
    return { sabotage, failed: [], why: `${file} has ${found} places with the text to take out` };
  writeFileSync(
    join(copy, file),
    source.replace(out, () => sabotage.in),
  );
  const { code, said, failed } = await tested(copy, sabotage);
  writeFileSync(join(copy, file), source);
  if (code === 0) return { sabotage, failed, why: `${tests.join(" and ")} pass` };
  if (failed.length > 0) return { sabotage, failed };
  return { sabotage, failed, why: `the tests did not run:\n${said.slice(-2000)}` };
}

async function tested(folder: string, { tests, title }: Sabotage) {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const chosen = title === undefined ? [] : ["--testNamePattern", title];
  const report = join(folder, "report.json");
  const how = ["--config", "test/mutate/vitest.config.ts", "--bail", "1"];
  const shown = ["--reporter", "default", "--reporter", "json", "--outputFile", report];
  const env = {
    ...process.env,
    ACMECTL_MUTATE_TESTS: tests.join(" "),
    ACMECTL_MUTATE_CACHE: join(folder, "cache"),
  };
  const child = spawn(process.execPath, [vitest, "run", ...how, ...shown, ...chosen], {
    cwd: folder,
    env,
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text: string) => (said += text));
  const [code] = await once(child, "close");
  const failed = existsSync(report) ? failedIn(readFileSync(report, "utf8")) : [];
  rmSync(report, { force: true });
  return { code, said: stripVTControlCharacters(said), failed };
}

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

/** A server that did not start fails a whole suite, but no test of it. */
function failedIn(text: string): readonly string[] {
  const { testResults }: Report = JSON.parse(text);
  const all = testResults.flatMap(({ assertionResults }) => assertionResults);
  return all.flatMap(({ status, fullName }) => (status === "failed" ? [fullName] : []));
}
