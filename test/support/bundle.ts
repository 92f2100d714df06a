/** Vitest's global setup for end-to-end tests: `dist` is built from what the sources are now. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const cwd = fileURLToPath(new URL("../..", import.meta.url));

export default async function setup(): Promise<void> {
  await promisify(execFile)("npm", ["run", "build"], { cwd });
}
