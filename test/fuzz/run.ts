/**
 * `npm run fuzz [-- WORD…]`: a search for inputs that break a promise, guided by coverage: an input that takes a new way
 * through the code is kept and changed further. With words, only the targets whose name contains one of them. FUZZ_SECONDS is the
 * time for each target, 60 when absent. A find is written into `seeds/`, where it is a test from then on.
 */
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { seedsFolder } from "./inputs.ts";
import type { Report } from "./search.ts";
import { targets } from "./targets.ts";

const words = process.argv.slice(2);
const seconds = Number(process.env["FUZZ_SECONDS"] ?? 60);
/** Milliseconds without a sign of life: the input of that moment is a find. */
const patience = 60_000;

let finds = 0;
for (const { name, promise } of targets) {
  if (words.length > 0 && !words.some((word) => name.includes(word))) continue;
  console.log(`${name}: ${promise}`);
  finds += await search(name);
}
console.log(`${finds} finds.`);
process.exitCode = finds > 0 ? 1 : 0;

async function search(name: string): Promise<number> {
  const current = new Uint8Array(new SharedArrayBuffer(64 * 1024));
  const workerData = { name, seconds, current };
  const worker = new Worker(new URL("search.ts", import.meta.url), { workerData });
  let found = 0;
  /** Undefined until it has begun: a busy machine takes long to load it. */
  let heard: number | undefined;
  const keep = (input: Uint8Array, why: string) => {
    const digest = createHash("sha256").update(input).digest("hex").slice(0, 12);
    const file = join(seedsFolder, name, `find-${digest}`);
    writeFileSync(file, input);
    console.log(`  FOUND ${file}\n    ${why.replaceAll("\n", "\n    ")}`);
    found += 1;
  };
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const watch = setInterval(() => {
    if (heard === undefined || Date.now() - heard < patience) return;
    const size = current[0]! + 256 * current[1]!;
    keep(Uint8Array.from(current.subarray(2, 2 + size)), "it takes longer than a minute");
    void worker.terminate();
  }, 1000);
  worker.on("message", (report: Report) => {
    heard = Date.now();
    if (report.kind === "find") keep(report.input, report.why);
    if (report.kind === "end")
      console.log(`  ${report.runs} runs, ${report.ways} ways, ${report.kept} inputs kept`);
  });
  worker.on("error", reject);
  worker.on("exit", () => resolve());
  await promise.finally(() => clearInterval(watch));
  return found;
}
