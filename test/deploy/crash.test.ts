import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/state.ts";

test("a run killed before any file system call leaves whole copies, and the next run makes them a pair", async () => {
  await using folder = await temporaryFolder();
  const report = join(folder.path, "report.json");
  const root = join(folder.path, "root");
  await mkdir(root);
  const script = new URL("crash-child.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, ["--conditions=source", script, root, report], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, NODE_OPTIONS: "", NODE_NO_WARNINGS: "1" },
  });
  const [stderr] = await Promise.all([text(child.stderr), once(child, "exit")]);
  expect(stderr).toBe("");
  interface Seen {
    after: string[];
    next: string[];
    problem?: string;
    states: string[];
    files: string[];
  }
  const seen: Seen[] = JSON.parse(await readFile(report, "utf8"));
  expect(seen.length).toBeGreaterThan(50);
  const pairs = new Set(seen.map(({ after }) => after.join("+")));
  expect(pairs, "the key is first, so there is a moment between the two").toEqual(
    new Set(["1+1", "2+1", "2+2"]),
  );
  for (const run of seen) {
    expect(run, JSON.stringify(run)).toEqual({
      after: run.after,
      next: ["2", "2"],
      states: ["done 2"],
      files: ["fullchain.pem", "key.pem"],
    });
  }
}, 300_000);
