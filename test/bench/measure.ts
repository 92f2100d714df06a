/** Programs measured in turn, so that a slow moment of the machine meets all of them. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Program {
  readonly name: string;
  /** Before each run, not measured; returns the command line. */
  readonly prepare: (round: number) => Promise<readonly string[]> | readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Measured {
  readonly name: string;
  /** Medians, in milliseconds and megabytes; CPU time and memory are NaN without GNU time. */
  readonly wall: number;
  readonly cpu: number;
  readonly memory: number;
}

interface Cost {
  readonly wall: number;
  readonly cpu: number;
  readonly memory: number;
}

/** Runs all programs `rounds` times, one after the other in each round. Rejects when one fails. */
export async function measure(
  programs: readonly Program[],
  rounds: number,
): Promise<readonly Measured[]> {
  const costs = programs.map((): Cost[] => []);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, { name, prepare, env = {} }] of programs.entries()) {
      costs[index]?.push(await costOf(name, await prepare(round), env));
    }
  }
  return programs.map(({ name }, index) => {
    const of = (key: keyof Cost) => median((costs[index] ?? []).map((cost) => cost[key]));
    return { name, wall: of("wall"), cpu: of("cpu"), memory: of("memory") };
  });
}

const gnuTime = "/usr/bin/time";

async function costOf(
  name: string,
  command: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<Cost> {
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
  return { wall, cpu: (user + system) * 1000, memory: kilobytes / 1000 };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** A Markdown table; ratios are against the first program. */
export function table(
  title: string,
  measured: readonly Measured[],
  more: Readonly<Record<string, string>> = {},
): string {
  const [first] = measured;
  const rows = measured.map(({ name, wall, cpu, memory }) => [
    name,
    (wall / (first?.wall ?? wall)).toFixed(2),
    (cpu / (first?.cpu ?? cpu)).toFixed(2),
    wall.toFixed(0),
    cpu.toFixed(0),
    memory.toFixed(0),
    more[name] ?? "",
  ]);
  const columns = [title, "wall ×", "CPU ×", "wall ms", "CPU ms", "MB", "requests"];
  return [columns, columns.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");
}
