/** The tables in docs/benchmarks.md, under what they were measured with. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, release, type } from "node:os";
import { promisify } from "node:util";
import { parts } from "../support/servers/catalog.ts";
import { peerNames } from "./peers.ts";
import manifest from "../../package.json" with { type: "json" };

const page = new URL("../../docs/benchmarks.md", import.meta.url);

/** Replaces what is between the markers. */
export async function writeReport(sections: readonly string[], rounds: number): Promise<void> {
  const text = await readFile(page, "utf8");
  const results = [await measuredWith(rounds), ...sections].join("\n\n");
  const written = text.replace(
    /<!-- results -->[^]*<!-- \/results -->/,
    () => `<!-- results -->\n\n${results}\n\n<!-- /results -->`,
  );
  await writeFile(page, written);
}

async function measuredWith(rounds: number): Promise<string> {
  const { stdout } = await promisify(execFile)("git", ["rev-parse", "--short", "HEAD"]);
  const [pebble] = parts["pebble-2.9"].packages;
  const programs = [
    `acmectl ${manifest.version} (commit ${stdout.trim()})`,
    `Node.js ${process.version.slice(1)}`,
    ...peerNames(),
    `Pebble ${pebble.split("@v")[1]}`,
  ];
  const machine = `${availableParallelism()} cores (${cpus()[0]?.model.trim()}), ${type()} ${release()}`;
  const date = new Date().toISOString().slice(0, 10);
  return `Measured on ${date} with ${programs.join(", ")}; ${machine}; medians of ${rounds} rounds.`;
}
