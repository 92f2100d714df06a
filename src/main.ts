/** One run: from the words that were typed and the environment to an exit code. */
import { systemClock } from "./clock.ts";
import { keepCompiledCode } from "./compile-cache.ts";
import { fromSource } from "./installation.ts";
import { type ExitCode, Problem } from "./problem.ts";
import type { Environment } from "./environment.ts";
import { preparedAnswer } from "./prepared.ts";
import type { Replacements } from "./program/execute.ts";
import { openStream, type OutputStream } from "./streams.ts";

/** Runs the words after `acmectl`. Never rejects: every failure is shown and becomes an exit code. */
export async function main(
  argv: readonly string[],
  environment: Environment,
  replaced: Replacements = {},
): Promise<ExitCode> {
  const answer = preparedAnswer(argv, environment);
  if (answer !== undefined) {
    environment.stdout.write(answer);
    try {
      await environment.written?.();
      return 0;
    } catch (error) {
      environment.stderr.write(`${String(error)}\n`);
      return 3;
    }
  }
  if (!fromSource) keepCompiledCode(environment);
  // What is prepared needs none of the modules below.
  const { execute } = await import("./program/execute.ts");
  return execute(argv, environment, replaced);
}

/** Runs acmectl as this process; `bin/acmectl.js` calls it. Sets the exit code and lets open handles end. */
export async function run(
  process: NodeJS.Process,
  replaced: Replacements = {},
  [stdout, stderr] = [openStream(process, "stdout"), openStream(process, "stderr")],
): Promise<void> {
  // For every connection of this process: credentials of DNS providers and services go only to servers that are verified.
  delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"];
  const stopping = new AbortController();
  const stop = (exitCode: ExitCode, reason: unknown) => {
    process.exitCode = exitCode;
    stopping.abort(reason);
  };
  const hangups = new Set<() => void>();
  const stopListening = stopOnSignals(process, stopping, hangups);
  const written = watchStdout(stdout, stopping);
  // A full disk below the log must not stop a renewal.
  stderr.on("error", () => undefined);
  process.on("uncaughtException", (error) => {
    // Stop as for Ctrl-C, so that the run cleans up; on the second error exit at once.
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
    stdout,
    stderr,
    written,
    signal: stopping.signal,
    clock: systemClock,
    onHangup(listener: () => void) {
      hangups.add(listener);
      return () => void hangups.delete(listener);
    },
  };
  // Without an open handle, Node.js would end a waiting process with exit code 0.
  const awake = setInterval(() => undefined, 2 ** 30);
  const code = await main(process.argv.slice(2), environment, replaced).finally(() =>
    clearInterval(awake),
  );
  stopListening();
  process.exitCode ??= code;
}

/** Stops a run that waits to be stopped when its stdout fails. Answers a function that rejects, after a result, if it was lost. */
function watchStdout(
  stdout: OutputStream,
  stopping: AbortController,
): NonNullable<Environment["written"]> {
  let lost: Problem | undefined;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    // `acmectl list | head` is not a failure.
    if (error.code === "EPIPE") return;
    lost ??= unwritable(error);
    stopping.abort(lost);
  });
  return async () => {
    await new Promise<void>((resolve) => stdout.write("", () => resolve()));
    // The error event follows the callback.
    await new Promise((resolve) => setImmediate(resolve));
    if (lost !== undefined) throw lost;
  };
}

const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/** Milliseconds in which npx and timeout repeat the signal that the terminal has sent to all of them. */
const repeats = 500;

/** After the first signal the run cleans up; the second ends it at once. SIGHUP is for those who listen to it, if any do. */
function stopOnSignals(
  process: NodeJS.Process,
  stopping: AbortController,
  hangups: ReadonlySet<() => void>,
): () => void {
  let first: { readonly name: string; readonly at: number } | undefined;
  const listeners = Object.entries(signals).map(([name, exitCode]) => {
    const listener = () => {
      if (name === "SIGHUP" && hangups.size > 0) {
        for (const hangup of hangups) hangup();
        return;
      }
      const at = performance.now();
      if (first?.name === name && at - first.at < repeats) return;
      first ??= { name, at };
      if (stopping.signal.aborted) process.exit(exitCode);
      stopping.abort(
        new Problem("interrupted", {
          detail: `Stopped by ${name}.`,
          hint: "Run the same command again to continue.",
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
    hint: "Check where stdout goes, and whether that disk is full. What the command did is done.",
    cause,
  });
}
