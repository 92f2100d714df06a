/** Programs measured in turn, so that a slow moment of the machine meets all of them. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { markdownTable } from "../support/markdown.ts";

export interface Program {
  readonly name: string;
  /** Before each run, not measured; returns the command line. */
  readonly prepare: (round: number) => Promise<readonly string[]> | readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** What has to be there while it runs, not measured. */
  readonly beside?: () => Promise<AsyncDisposable>;
}

interface Cost {
  /** Milliseconds and megabytes; CPU time and memory are NaN without GNU time. */
  readonly wall: number;
  readonly cpu: number;
  readonly memory: number;
}

/** Medians. */
export interface Measured extends Cost {
  readonly name: string;
  readonly rounds: number;
}

/** Not all rounds are for what takes long. */
function isTooLong(wall: number, round: number): boolean {
  return (wall > 10_000 && round % 3 !== 0) || (wall > 60_000 && round > 0);
}

/** Runs all programs `rounds` times, one after the other in each round. Rejects if one fails. */
export async function measure(
  programs: readonly Program[],
  rounds: number,
): Promise<readonly Measured[]> {
  const costs = programs.map((): Cost[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, program] of programs.entries()) {
      const known = costs[index] ?? [];
      if (isTooLong(known[0]?.wall ?? 0, round)) continue;
      known.push(await costOf(program, round));
    }
  }
  return programs.map(({ name }, index) => {
    const known = costs[index] ?? [];
    const of = (key: keyof Cost) => median(known.map((cost) => cost[key]));
    const rounds = known.length;
    return { name, rounds, wall: of("wall"), cpu: of("cpu"), memory: of("memory") };
  });
}

const gnuTime = "/usr/bin/time";

/** Of one run. */
export async function costOf(program: Program, round: number): Promise<Cost> {
  const { name, env = {}, beside } = program;
  const command = await program.prepare(round);
  await using _ = (await beside?.()) ?? { [Symbol.asyncDispose]: async () => undefined };
  const report = join(tmpdir(), `acmectl-bench-${process.pid}`);
  const timed = existsSync(gnuTime);
  const [file = "", ...args] = timed
    ? [gnuTime, "-o", report, "-f", "%U %S %M", ...command]
    : command;
  const begin = performance.now();
  const child = spawn(file, args, {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (part) => (output += String(part)));
  child.stderr.on("data", (part) => (output += String(part)));
  const code = await new Promise((resolve) => child.on("close", resolve));
  const wall = performance.now() - begin;
  if (code !== 0)
    throw new Error(`${name} failed (${String(code)}): ${command.join(" ")}\n${output}`);
  if (!timed) return { wall, cpu: Number.NaN, memory: Number.NaN };
  const [user = 0, system = 0, kilobytes = 0] = (await readFile(report, "utf8"))
    .trim()
    .split(" ")
    .map(Number);
  await rm(report);
  return { wall, cpu: (user + system) * 1000, memory: kilobytes / 1000 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** A Markdown table; ratios are against the first program. */
export function table(
  measured: readonly Measured[],
  requests?: Readonly<Record<string, string>>,
): string {
  const [first] = measured;
  const rows = measured.map(({ name, wall, cpu, memory }) => [
    name,
    (wall / (first?.wall ?? wall)).toFixed(2),
    (cpu / (first?.cpu ?? cpu)).toFixed(2),
    wall.toFixed(0),
    cpu.toFixed(0),
    memory.toFixed(0),
    ...(requests === undefined ? [] : [requests[name] ?? ""]),
  ]);
  const columns = ["", "time ×", "CPU ×", "time, ms", "CPU, ms", "memory, MB"];
  return markdownTable(requests === undefined ? columns : [...columns, "requests"], rows);
}
