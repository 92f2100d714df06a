/** What the preload sees is what the kernel sees; and a run that the kernel kills at a call is put right by the next one. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import type { Issuing } from "../../support/issuing.ts";
import { find } from "../../support/servers/catalog.ts";
import { conditions, program } from "../../support/spawn.ts";
import { drawn, patience, survived } from "../../support/counted.ts";
import type { Operation } from "./operations.ts";
import { begin, expectConverged, issuedBy, issueWords, scenarios } from "./scenarios.ts";

const strace = find("strace") ?? "strace";
/** A container may forbid it. */
const isAllowed = spawnSync(strace, ["-o", "/dev/null", "true"]).status === 0;
const calls = "rename,renameat,renameat2,fsync,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat";

test.skipIf(!isAllowed)("the preload records every change that the kernel sees", async () => {
  await using issuing = await begin({});
  const trace = join(dirname(issuing.state), "trace");
  const preload = new URL("preload.ts", import.meta.url);
  preload.search = new URLSearchParams({ root: issuing.state, trace }).toString();
  appendFileSync(trace, "");
  const ended = await traced(issuing, ["-y", "-e", `trace=${calls}`], ["--import", preload.href]);
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  const recorded = readFileSync(trace, "utf8").trim().split("\n");
  const operations = recorded.map((line): Operation => JSON.parse(line));
  const count = (what: Operation["do"]) => operations.filter((one) => one.do === what).length;
  const seen = (pattern: RegExp) =>
    ended.log
      .split("\n")
      .filter((line) => pattern.test(line) && line.includes(issuing.state) && line.endsWith(" = 0"))
      .length;
  expect(count("sync")).toBeGreaterThan(20);
  expect({
    rename: seen(/ rename/),
    symlink: seen(/ symlink/),
    sync: seen(/ fsync/),
    mkdir: seen(/ mkdir/),
    remove: seen(/ unlink/),
  }).toEqual({
    rename: count("rename"),
    symlink: count("symlink"),
    sync: count("sync"),
    mkdir: count("mkdir"),
    remove: count("remove"),
  });
});

test.skipIf(!isAllowed)(
  "issue, killed by the kernel at a call that changes files, is put right by the next run",
  async () => {
    const scenario = scenarios["issue"];
    if (scenario === undefined) throw new Error("the scenario does not exist");
    const faults = ["rename", "fsync", "symlink", "unlink", "mkdir"].flatMap((call) =>
      [1, 2, 3, 4].map((when) => ({ call, when })),
    );
    const chosen = drawn(faults, 5, ({ call }) => call);
    for (const { call, when } of chosen) {
      await using issuing = await begin(scenario);
      const issued = issuedBy(issuing);
      const inject = `inject=${call}:signal=KILL:when=${when}`;
      const killed = await traced(issuing, ["-e", `trace=${calls}`, "-e", inject], []);
      expect(killed.log).toContain("+++ killed by SIGKILL +++");
      await expectConverged(scenario, issuing, issued).catch((error: unknown) => {
        throw new Error(`killed at ${call} number ${when}`, { cause: error });
      });
    }
    survived("kills by the kernel at a system call", chosen.length);
  },
  patience,
);

async function traced(issuing: Issuing, flags: readonly string[], node: readonly string[]) {
  const file = join(dirname(issuing.state), "calls");
  const words = issueWords(issuing, "a.example.test");
  const run = [process.execPath, ...conditions, ...node, program, ...words];
  // One thread for files: strace counts the calls of each thread.
  const env = { HOME: issuing.home, UV_THREADPOOL_SIZE: "1" };
  const child = spawn(strace, ["-f", "-o", file, ...flags, "--", ...run], { env });
  const [stderr, [code]] = await Promise.all([text(child.stderr), once(child, "close")]);
  return { code: Number(code), stderr, log: readFileSync(file, "utf8") };
}
