import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

test("post hooks of a run killed after its pre hooks run once in the next run", async () => {
  await using issuing = await startIssuing();
  const log = join(dirname(issuing.state), "log");
  const env = { HOME: issuing.state, PATH: process.env["PATH"] ?? "" };
  const solver = ["--solver", "standalone", "--standalone-port", String(issuing.httpPort)];
  const hooks = {
    "--pre-hook": `echo STOP >> ${log}`,
    "--deploy-hook": `test -e ${log}.killed || { touch ${log}.killed; kill -9 $PPID; }`,
    "--post-hook": `echo START >> ${log}`,
  };
  const place = [
    "--self-check-at",
    `127.0.0.1:${issuing.httpPort}`,
    ...Object.entries(hooks).flat(),
  ];
  const first = acmectl(
    ["issue", "-d", "shop.example.test", ...solver, ...issuing.words, ...place],
    { env },
  );
  expect((await first.ended).signal).toBe("SIGKILL");
  expect(await readFile(log, "utf8")).toBe("STOP\n");
  const renew = async () => acmectl(["renew", "--state", issuing.state], { env }).ended;
  const next = await renew();
  expect(next).toMatchObject({ code: 0 });
  expect(next.stderr).toContain(
    "running the post hook of an earlier run for shop.example.test that was stopped: echo START",
  );
  expect(await readFile(log, "utf8")).toBe("STOP\nSTART\n");
  expect((await renew()).stderr).toBe("");
  expect(await readFile(log, "utf8")).toBe("STOP\nSTART\n");
});

test("the first signal says which post hook is waited for, the second ends it with all that it started", async () => {
  await using folder = await temporaryFolder();
  const file = join(folder.path, "pid");
  const hook = `sh -c 'trap "" TERM; echo $$ > ${file}; sleep 60'; true`;
  const words = ["-d", "shop.example.test", "--server", "local", "--post-hook", hook];
  const env = { HOME: folder.path, PATH: process.env["PATH"] ?? "" };
  const excused = { "nothing temporary is left": "the second signal ends the run at once" };
  const typed = ["issue", ...words, "--state", folder.path];
  const { child, ended } = acmectl(typed, { env, excused });
  const pid = await vi.waitUntil(() => readFile(file, "utf8").catch(() => ""), { timeout: 60_000 });
  const said = new Promise<string>((resolve) =>
    child.stderr?.on("data", (text) => resolve(String(text))),
  );
  child.kill("SIGINT");
  expect(await said).toMatch(
    /^Warning: waiting at most \d+ s for the post hook sh -c .*; a second signal ends it at once\n$/,
  );
  child.kill("SIGTERM");
  const { code, stderr } = await ended;
  expect([code, stderr]).toEqual([
    143,
    expect.stringMatching(/ended the post hook sh -c .*; the next run starts it again\n$/),
  ]);
  await vi.waitUntil(() => !isRunning(Number(pid)), { timeout: 5_000 });
});

function isRunning(pid: number): boolean {
  try {
    // A process that nobody has waited for yet is a zombie.
    return !readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z ");
  } catch {
    return false;
  }
}
