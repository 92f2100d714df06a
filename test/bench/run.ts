/**
 * `npm run bench`: what a run costs, as ratios of two commands measured in turn. Medians; a figure of time alone says nothing
 * on a shared machine. Needs a build (`npm run build`).
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const rounds = 15;

/** Milliseconds of wall time of a Node process with these arguments. */
function time(args: readonly string[]): number {
  const begin = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`${args.join(" ")}: ${stderr}`);
  return performance.now() - begin;
}

/** Milliseconds that one import takes inside a process of its own. */
function importTime(module: string): number {
  const code = `const t = performance.now(); await import(${JSON.stringify(module)}); console.log(performance.now() - t)`;
  const { stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    cwd: root,
    encoding: "utf8",
  });
  return Number(stdout);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Measures both in turn, so that a slow moment of the machine meets both. */
function compare(title: string, measure: () => number, against: () => number): void {
  const [ours, theirs]: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    ours.push(measure());
    theirs.push(against());
  }
  const [a, b] = [median(ours), median(theirs)];
  console.log(
    `${title}: ${(a / b).toFixed(2)} (medians ${a.toFixed(1)} ms and ${b.toFixed(1)} ms of ${rounds})`,
  );
}

compare(
  "acmectl --version, against an empty Node.js process",
  () => time(["bin/acmectl.js", "--version"]),
  () => time(["-e", "0"]),
);
compare(
  "acmectl issue --help, against an empty Node.js process",
  () => time(["bin/acmectl.js", "issue", "--help"]),
  () => time(["-e", "0"]),
);
compare(
  "the Cloudflare client as shipped, against importing the vendor's package",
  () => importTime(`${root}dist/plugins/cloudflare/client.js`),
  () => importTime("cloudflare/tree-shakable"),
);
