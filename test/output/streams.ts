import { Chalk } from "chalk";
import type { Clock } from "../../src/clock.ts";
import { openOutput, type OutputSettings } from "../../src/output/output.ts";

const now = new Date("2026-03-01T12:00:00Z");
const clock: Clock = { now: () => now, monotonic: () => 0, sleep: async () => {} };

/** A stream that remembers what was written. */
function recorder(isTTY = false, columns?: number) {
  let text = "";
  return {
    isTTY,
    columns,
    write(more: string) {
      text += more;
      return true;
    },
    text: () => text,
    lines: () => text.split("\n").slice(0, -1),
  };
}

/** An output on two recorders, at noon of 1 March 2026, UTC. */
export function opened(
  change: Partial<Omit<OutputSettings, "stdout" | "stderr">> = {},
  terminal?: { columns: number },
) {
  const stdout = recorder(terminal !== undefined, terminal?.columns);
  const stderr = recorder(terminal !== undefined, terminal?.columns);
  const output = openOutput({
    json: false,
    logFormat: "text",
    quiet: false,
    verbose: false,
    version: "1.2.3",
    clock,
    chalk: new Chalk({ level: 1 }),
    ...change,
    stdout,
    stderr,
    env: { TZ: "Europe/Berlin", ...change.env },
  });
  return { output, stdout, stderr };
}
