import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One temporary folder for a whole run of the tests, removed at its end with all that they left in it. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "acmectl-test-"));
  // Some tests start programs as another user.
  chmodSync(folder, 0o755);
  process.env["TMPDIR"] = folder;
  // The same faults in each usual run; other seeds are tried on purpose.
  process.env["ACMECTL_SEED"] ??= "736168";
  return () => {
    const faults = survivedIn(join(folder, "survived"));
    const seed = process.env["ACMECTL_SEED"];
    if (faults !== "") process.stdout.write(`Survived (ACMECTL_SEED=${seed}):\n${faults}\n`);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** How many faults of which kind the fault tests have survived, a line each. */
function survivedIn(file: string): string {
  if (!existsSync(file)) return "";
  const lines = readFileSync(file, "utf8").trim().split("\n");
  const faults = lines.map((line): { kind: string; count: number } => JSON.parse(line));
  const byKind = Map.groupBy(faults, ({ kind }) => kind);
  return [...byKind]
    .map(([kind, all]) => `${all.reduce((sum, { count }) => sum + count, 0)} ${kind}`)
    .toSorted()
    .map((line) => `  ${line}`)
    .join("\n");
}
