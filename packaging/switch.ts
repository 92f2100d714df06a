/** A new build takes the place of the one before while commands start and run from it. */
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";

/**
 * Move every file of `built` to `dist`, each in one rename, so that none is missing or half-written at any moment. Chunks, whose
 * names have a hash of their content, come first, since other files import them. Those of the build before stay until the next
 * one, since a command that runs may load them yet; they are not packed.
 */
export function switchBuild(built: string, dist: string): void {
  const files = filesIn(built);
  const chunksFirst = files.toSorted((a, b) => Number(isChunk(b)) - Number(isChunk(a)));
  for (const file of chunksFirst) {
    mkdirSync(dirname(join(dist, file)), { recursive: true });
    renameSync(join(built, file), join(dist, file));
  }
  const notPacked = join(dist, ".npmignore");
  const older = existsSync(notPacked) ? readFileSync(notPacked, "utf8").split("\n") : [];
  const left = filesIn(dist).filter((file) => !files.includes(file));
  const [stay, go] = [true, false].map((stays) =>
    left.filter((file) => (isChunk(file) && !older.includes(`/${file}`)) === stays),
  );
  writeFileSync(notPacked, (stay ?? []).map((file) => `/${file}\n`).join(""));
  for (const file of go ?? []) rmSync(join(dist, file));
  rmSync(built, { recursive: true });
}

function filesIn(folder: string): readonly string[] {
  return globSync("**/*", { cwd: folder, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
}

function isChunk(file: string): boolean {
  return file.includes("/chunks/");
}
