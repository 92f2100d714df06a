import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { build } from "rolldown";
import { afterAll } from "vitest";

// As one file it starts in half the time, and it is started for each file system call of a commit.
const folder = await mkdtemp(join(tmpdir(), "acmectl-"));
afterAll(() => rm(folder, { recursive: true }));
const script = join(folder, "store-child.js");
// acmectl looks above its code for these.
for (const own of ["bin", "package.json"]) {
  await cp(new URL(`../../${own}`, import.meta.url), join(folder, own), { recursive: true });
}
await build({
  input: new URL("store-child.ts", import.meta.url).pathname,
  platform: "node",
  resolve: { conditionNames: ["source", "node", "import", "default"] },
  output: { file: script, codeSplitting: false },
  logLevel: "silent",
});

/** Start a process that runs one task of `store-child.ts`. */
export function startChild(
  task: string,
  root: string,
  argument = "",
  env: NodeJS.ProcessEnv = {},
): ChildProcess {
  return spawn(process.execPath, [script, task, root, argument], {
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      ...process.env,
      NODE_OPTIONS: "",
      NODE_NO_WARNINGS: "1",
      // Halves the start of all but the first that ends by itself.
      NODE_COMPILE_CACHE: join(dirname(root), "compiled"),
      ...env,
    },
  });
}

export interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stderr: string;
}

/** The same, until it ends. */
export async function runChild(...given: Parameters<typeof startChild>): Promise<Ended> {
  const child = startChild(...given);
  child.stdout?.resume();
  const [stderr] = await Promise.all([
    child.stderr === null ? "" : text(child.stderr),
    once(child, "exit"),
  ]);
  return { code: child.exitCode, signal: child.signalCode, stderr };
}
