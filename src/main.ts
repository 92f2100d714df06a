/** The whole of a run: what was typed and what surrounds it → an exit code. */
import { systemClock } from "./clock.ts";
import { type ExitCode, Problem } from "./problem.ts";
import type { Parts, Environment } from "./environment.ts";
import { version } from "./version.ts";

/** Runs what was typed behind `acmectl`. Never rejects: whatever goes wrong is shown, and becomes an exit code. */
export async function main(
  argv: readonly string[],
  environment: Environment,
  parts: Parts = {},
): Promise<ExitCode> {
  const versions = `acmectl ${version} node ${environment.node}`;
  if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
    environment.stdout.write(`${versions}\n`);
    return 0;
  }
  // Nothing that --version can do without is loaded before this line.
  const { execute } = await import("./program/execute.ts");
  return execute({ argv, environment, parts, versions });
}

/** Runs acmectl as this process; `bin/acmectl.js` calls it. The exit code is set, and whatever is still open may end. */
export async function run(process: NodeJS.Process, parts: Parts = {}): Promise<void> {
  const stopping = new AbortController();
  const stop = (exitCode: ExitCode, reason: unknown) => {
    process.exitCode = exitCode;
    stopping.abort(reason);
  };
  const stopListening = stopOnSignals(process, stopping);
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // `acmectl list | head` is no failure.
      if (error.code !== "EPIPE") stop(3, unwritable(error));
    });
  }
  process.on("uncaughtException", (error) => {
    // Nobody can tell what still works: the run is stopped as by Ctrl-C, so that it cleans up; the second time, at once.
    if (process.exitCode === 1) process.exit();
    stop(1, error);
  });
  const environment = {
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
  };
  // While a run waits for something that holds no handle of its own, Node would end the process with exit code 0.
  const awake = setInterval(() => undefined, 2 ** 30);
  const code = await main(process.argv.slice(2), environment, parts).finally(() =>
    clearInterval(awake),
  );
  stopListening();
  process.exitCode ??= code;
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

function unwritable(cause: Error): Problem {
  return new Problem("machine", {
    detail: `The output cannot be written: ${cause.message}`,
    hint: "Look at where stdout and stderr go, and whether that disk is full.",
    cause,
  });
}
