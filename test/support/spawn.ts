import { spawn, type ChildProcess } from "node:child_process";
import type { Excused } from "./invariants/invariants.ts";
import { watchRun } from "./invariants/watch.ts";

export const program = new URL("../../bin/acmectl.js", import.meta.url).pathname;

export interface Spawned {
  readonly child: ChildProcess;
  readonly ended: Promise<{
    code: number | null;
    signal: NodeJS.Signals | null;
    stdout: string;
    stderr: string;
  }>;
}

/** For Node.js: end-to-end tests start the bundle, as users do, and all others the source. */
export const conditions: readonly string[] =
  process.env["ACMECTL_TEST_BUNDLE"] === undefined ? ["--conditions=source"] : [];

/** For the environment of processes that run the source: where they share compiled code. Those of another user cannot write there. */
export const compiledCode: Readonly<Record<string, string>> = {
  NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"] ?? "",
};

/** Run `acmectl` as a process of its own, as a shell would. Nothing of the test's environment is handed on but `env`, and from source where compiled code is kept. `ended` rejects if the run breaks an invariant. */
export function acmectl(
  words: readonly string[],
  options: {
    env?: Record<string, string>;
    cwd?: string;
    node?: readonly string[];
    /** A program with its words that starts acmectl in turn: `["setpriv", "--reuid=12345"]`. */
    through?: readonly string[];
    excused?: Excused;
  } = {},
): Spawned {
  const flags = [...conditions, ...(options.node ?? [])];
  const { env = {} } = options;
  const check = watchRun({ words, env }, options.excused);
  const [file, ...args] = [...(options.through ?? []), process.execPath, ...flags, program];
  const child = spawn(file, [...args, ...words], {
    env: conditions.length === 0 ? env : { ...compiledCode, ...env },
    cwd: options.cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk) => (stdout += String(chunk)));
  child.stderr.on("data", (chunk) => (stderr += String(chunk)));
  const ended = new Promise<Awaited<Spawned["ended"]>>((resolve, reject) => {
    child.on("close", (code, signal) => {
      const checked = check({ code, stdout, stderr, pid: child.pid });
      checked.then(() => resolve({ code, signal, stdout, stderr }), reject);
    });
  });
  return { child, ended };
}
