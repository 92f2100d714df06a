/** The whole of a run: what was typed and what surrounds it → an exit code. */
import { systemClock } from "./clock.ts";
import { type ExitCode, Problem } from "./problem.ts";
import type { Parts, Surroundings } from "./surroundings.ts";
import { version } from "./version.ts";

/** Runs what was typed behind `acmectl`. Never rejects: whatever goes wrong is shown, and becomes an exit code. */
export async function main(
  argv: readonly string[],
  surroundings: Surroundings,
  parts: Parts = {},
): Promise<ExitCode> {
  const versions = `acmectl ${version} node ${surroundings.node}`;
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    surroundings.stdout.write(`${versions}\n`);
    return 0;
  }
  // Nothing that --version can do without is loaded before this line.
  const { execute } = await import("./execute.ts");
  return execute({ argv, surroundings, parts, versions });
}

/** Runs acmectl as this process; `bin/acmectl.js` calls it. The exit code is set, and whatever is still open may end. */
export async function run(process: NodeJS.Process): Promise<void> {
  const stopping = new AbortController();
  for (const stream of [process.stdout, process.stderr]) stream.on("error", ignoreClosedPipe);
  const stopListening = stopOnSignals(process, stopping);
  let crashed = false;
  process.on("uncaughtException", (error) => {
    // Nobody can tell what still works, so the run is stopped as by Ctrl-C and cleans up; the second time, it is not.
    if (crashed) process.exit(1);
    crashed = true;
    stopping.abort(error);
  });
  const code = await main(process.argv.slice(2), {
    env: process.env,
    cwd: process.cwd(),
    uid: process.getuid?.() ?? -1,
    node: process.version,
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    signal: stopping.signal,
    clock: systemClock,
  });
  stopListening();
  process.exitCode = crashed ? 1 : code;
}

const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** The first signal lets the run clean up and say so; the second ends it at once. */
function stopOnSignals(process: NodeJS.Process, stopping: AbortController): () => void {
  const listeners = Object.entries(signals).map(([name, exitCode]) => {
    const listener = () => {
      if (stopping.signal.aborted) process.exit(exitCode);
      stopping.abort(
        new Problem("interrupted", {
          detail: `Stopped by ${name}.`,
          hint: "Nothing that was held is changed. Run the same command again to go on.",
          exitCode,
        }),
      );
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  return () => {
    for (const off of listeners) off();
  };
}

/** `acmectl list | head` is no failure. */
function ignoreClosedPipe(error: Error & { code?: unknown }): void {
  if (error.code !== "EPIPE") throw error;
}
