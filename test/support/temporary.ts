import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** One temporary folder for a whole run of the tests, removed at its end with all that they left in it. */
export default function setup(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "acmectl-test-"));
  // Some tests start programs as another user.
  chmodSync(folder, 0o755);
  process.env["TMPDIR"] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}
