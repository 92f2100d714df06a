/** The worker of `run.ts`: searches for one target. */
import { parentPort, workerData } from "node:worker_threads";
import { sample } from "fast-check";
import { openCoverage } from "./coverage.ts";
import { changed, changes, seedsOf } from "./inputs.ts";
import { targets } from "./targets.ts";

export type Report =
  | { readonly kind: "alive" }
  | { readonly kind: "find"; readonly input: Uint8Array; readonly why: string }
  | { readonly kind: "end"; readonly runs: number; readonly ways: number; readonly kept: number };

const { name, seconds, current } = workerData as {
  name: string;
  seconds: number;
  /** The input that is tried: its length in two bytes, then its bytes. */
  current: Uint8Array;
};
const report = (message: Report) => parentPort?.postMessage(message, []);
const target = targets.find((one) => one.name === name);
if (target === undefined) throw new Error(`no target ${name}`);

const coverage = await openCoverage();
const seen = new Set<string>();
const why = new Set<string>();
const corpus: Buffer[] = [];
/** An input that takes longer, in milliseconds, is a find. */
const longest = 2000;
/** Finds with different messages; then the search ends. */
const mostFinds = 5;
let runs = 0;

async function attempt(input: Buffer, isSecond = false): Promise<void> {
  if (input.length > current.length - 2) return;
  current.set([input.length & 0xff, input.length >> 8]);
  current.set(input, 2);
  runs += 1;
  const started = performance.now();
  try {
    await target?.check(input);
    // Once more, since another program may have kept the machine busy.
    const isSlow = performance.now() - started > longest;
    if (isSlow && !isSecond) await attempt(input, true);
    else if (isSlow) found(input, "it takes longer than 2 s, twice");
  } catch (error) {
    found(input, error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
}

/** True when there is something new among what ran. */
function isNew(ran: readonly string[]): boolean {
  const before = seen.size;
  for (const one of ran) seen.add(one);
  return seen.size > before;
}

/** Keeps those inputs that take a new way. Looking takes longer than most checks, so the inputs are tried together first. */
async function attemptAll(inputs: readonly Buffer[]): Promise<void> {
  for (const input of inputs) await attempt(input);
  if (!isNew(await coverage.blocks())) return;
  for (const input of inputs) {
    await attempt(input);
    if (isNew(await coverage.ways()) && corpus.length < 2000) corpus.push(input);
  }
}

/** One find for each place that throws. */
function found(input: Buffer, text: string): void {
  const place = /\n\s+at [^\n]*/.exec(text)?.[0] ?? text;
  if (why.has(place)) return;
  why.add(place);
  report({ kind: "find", input, why: text });
}

for (const { bytes } of seedsOf(target)) {
  corpus.push(bytes);
  await attempt(bytes);
  isNew(await coverage.ways());
}
const end = Date.now() + seconds * 1000;
let seed = Number(process.env["FUZZ_SEED"] ?? Date.now() % 1_000_000);
while (Date.now() < end && why.size < mostFinds) {
  const some = sample(changes, { numRuns: 16, seed: seed++ });
  await attemptAll(some.map((change) => changed(corpus, change, target.words)));
  report({ kind: "alive" });
}
report({ kind: "end", runs, ways: seen.size, kept: corpus.length });
