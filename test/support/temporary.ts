import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync } from "node:fs";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One temporary folder for a whole run of the tests, removed at its end with all that they left in it. */
export default function setup(): () => void {
  const folder = inMemory() ?? mkdtempSync(join(tmpdir(), "acmectl-test-"));
  // Some tests start programs as another user.
  chmodSync(folder, 0o755);
  process.env["TMPDIR"] = folder;
  // A third to two thirds of the start of a process that runs the source.
  process.env["NODE_COMPILE_CACHE"] ??= join(folder, "compiled");
  // The same faults in each usual run; other seeds are tried on purpose.
  process.env["ACMECTL_SEED"] ??= "736168";
  return () => {
    const faults = survivedIn(join(folder, "survived"));
    const seed = process.env["ACMECTL_SEED"];
    if (faults !== "") process.stdout.write(`Survived (ACMECTL_SEED=${seed}):\n${faults}\n`);
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  };
}

/** There a sync takes no time, and a run of acmectl syncs some fifty files. Undefined without room, or where no program may start. */
function inMemory(): string | undefined {
  const [place, tmpfs, room] = ["/dev/shm", 0x01021994, 4 * 1024 ** 3];
  if (process.env["TMPDIR"] !== undefined || !existsSync(place)) return undefined;
  const { type, bavail, bsize } = statfsSync(place);
  if (type !== tmpfs || bavail * bsize < room) return undefined;
  const folder = mkdtempSync(join(place, "acmectl-test-"));
  try {
    const script = join(folder, "script");
    writeFileSync(script, "#!/bin/sh\n", { mode: 0o755 });
    execFileSync(script);
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
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
