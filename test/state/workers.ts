import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished } from "vitest";

export interface Worker {
  readonly child: ChildProcessWithoutNullStreams;
  readonly output: () => string;
  line(text: string | RegExp): Promise<void>;
}

/** A process that runs `worker.ts` with these arguments. */
export function startWorker(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  program = "worker.ts",
): Worker {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=source", file, ...args], {
    env: { ...process.env, ...env },
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  let output = "";
  const keep = (data: Buffer) => void (output += data.toString());
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return {
    child,
    output: () => output,
    line: (text) => expect.poll(() => output).toMatch(text),
  };
}
