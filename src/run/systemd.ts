/** Notifies systemd by sd_notify(3), if it asks for that. */
import { runProgram } from "../run-program.ts";
import type { Context } from "../context.ts";

export interface Supervisor {
  ready(status: string): Promise<void>;
  status(status: string): Promise<void>;
  reloading(): Promise<void>;
  stopping(): Promise<void>;
}

/**
 * Node.js cannot open unix datagram sockets, so systemd's own program sends the messages, one after the other. Twice per
 * `WatchdogSec` it reports that the process works.
 */
export function openSupervisor({
  env,
  clock,
  log,
  redact,
}: Pick<Context, "env" | "clock" | "log" | "redact">) {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: limit } = env;
  let sending = Promise.resolve();
  let isWarned = false;

  async function send(assignments: readonly string[]): Promise<void> {
    const argv = ["systemd-notify", ...assignments];
    const { end } = await runProgram({
      argv,
      env: { NOTIFY_SOCKET: socket, PATH: env["PATH"] ?? "/usr/bin:/bin" },
      timeout: 10_000,
      signal: new AbortController().signal,
      onLine: (line) => log.debug(`systemd-notify: ${line}`, { step: "systemd" }),
      clock,
    });
    if (end === 0 || isWarned) return;
    isWarned = true;
    log.warn(`could not notify systemd: systemd-notify ended with ${end}`, { step: "systemd" });
  }
  const inTurn = async (...assignments: readonly string[]) => {
    if (socket !== undefined && socket !== "") sending = sending.then(() => send(assignments));
    await sending;
  };
  const period = Number(limit ?? 0) / 2000;
  const beat =
    period > 0 ? setInterval(() => void inTurn("WATCHDOG=1"), period).unref() : undefined;
  // A line break would begin another assignment.
  const statusOf = (text: string) => `STATUS=${redact(text).replaceAll(/\s+/g, " ")}`;
  const supervisor: Supervisor = {
    ready: (status) => inTurn("READY=1", statusOf(status)),
    status: (status) => inTurn(statusOf(status)),
    // systemd.service(5), Type=notify-reload: by the clock that hrtime reads.
    reloading: () => inTurn("RELOADING=1", `MONOTONIC_USEC=${process.hrtime.bigint() / 1000n}`),
    async stopping() {
      clearInterval(beat);
      await inTurn("STOPPING=1");
    },
  };
  return supervisor;
}
