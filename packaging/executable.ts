/** One file that runs without Node.js and without an installation: Node.js's single executable application, for this platform. */
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface ExecutableParts {
  /** acmectl as it is installed: `bin`, `dist`, `schema` and `package.json`. */
  readonly program: string;
  /** The program `node` that it becomes a copy of. */
  readonly node: string;
  /** A folder that is not there yet. */
  readonly work: string;
}

/** Writes the executable `target`. */
export function writeExecutable(target: string, parts: ExecutableParts): void {
  const { program, node, work } = parts;
  mkdirSync(work, { recursive: true });
  const files = filesOf(program);
  const list = join(work, "files.json");
  writeFileSync(list, JSON.stringify(files));
  const blob = join(work, "blob");
  const settings = join(work, "settings.json");
  const assets = Object.fromEntries(files.map((file) => [file, join(program, file)]));
  // Its path becomes part of the executable, so it has to be the same everywhere.
  const main = "executable.cjs";
  copyFileSync(join(import.meta.dirname, main), join(work, main));
  writeFileSync(
    settings,
    JSON.stringify({
      main,
      output: blob,
      disableExperimentalSEAWarning: true,
      assets: { files: list, ...assets },
    }),
  );
  execFileSync(node, ["--experimental-sea-config", settings], { cwd: work, stdio: "ignore" });
  copyFileSync(node, target);
  chmodSync(target, 0o755);
  const isMac = process.platform === "darwin";
  if (isMac) execFileSync("codesign", ["--remove-signature", target]);
  const where = isMac ? ["--macho-segment-name", "NODE_SEA"] : [];
  const words = [target, "NODE_SEA_BLOB", blob, "--sentinel-fuse", sentinelFuse, ...where];
  execFileSync("npx", ["--no-install", "postject", ...words], { stdio: "ignore" });
  if (isMac) execFileSync("codesign", ["--sign", "-", target]);
}

/** Marks the place in Node.js's binary that says that a script is there (nodejs.org/api/single-executable-applications.html). */
const sentinelFuse = "NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2";

/** Declarations are of no use in it. */
function filesOf(program: string): readonly string[] {
  return readdirSync(program, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".d.ts"))
    .map((entry) => join(entry.parentPath, entry.name).slice(program.length + 1))
    .toSorted();
}
