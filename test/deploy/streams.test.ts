import type { ChildProcess } from "node:child_process";
import { expect, test, vi } from "vitest";
import { run as runScript } from "../../plugins/exec/client.ts";
import { systemClock } from "../../src/clock.ts";
import { runCommand } from "../../src/deploy/command.ts";
import { never } from "../state/state.ts";

/** Every program's output breaks once it has printed something, as when a terminal or a disk is gone. */
vi.mock("node:child_process", async (original) => {
  const real = await original<typeof import("node:child_process")>();
  const spawn = (...args: Parameters<typeof real.spawn>): ChildProcess => {
    const child = real.spawn(...args);
    child.stdout?.once("data", () => setImmediate(() => child.stdout?.destroy(new Error("EIO"))));
    return child;
  };
  return { ...real, spawn };
});

const log = { debug() {}, info() {}, warn() {} };
const argv = ["/bin/sh", "-c", "echo one; sleep 0.2; exit 3"] as const;
const env = { PATH: "/usr/bin:/bin" };

test("a command whose output breaks is judged by its exit code", async () => {
  const command = { title: "The command", argv, env, timeout: 20_000 };
  const tools = { log, clock: systemClock, signal: never };
  await expect(runCommand(command, (text) => text, tools)).rejects.toThrow(
    "The command failed with exit code 3. It printed last:\none",
  );
});

test("a script of the exec solver whose output breaks is judged by its exit code", async () => {
  const ran = await runScript({
    argv,
    env,
    directory: undefined,
    timeout: 20_000,
    signal: never,
    mask: (text) => text,
    onLine: () => {},
    onWait: () => {},
  });
  expect(ran).toMatchObject({ end: 3, lastLines: ["one"] });
});
