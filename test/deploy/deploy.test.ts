import { readdir, rm, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deployCertificate } from "../../src/deploy/deploy.ts";
import { deployStatesOf, isDeployed } from "../../src/deploy/steps.ts";
import { never } from "../state/state.ts";
import { name, openWorld, shell } from "./world.ts";

test("each step runs once per version, in order", async () => {
  const world = await openWorld();
  const log = world.at("log");
  await world.want([shell(`echo one >> ${log}`), shell(`echo two >> ${log}`)]);
  expect(await world.deploy()).toBeUndefined();
  expect(await world.deploy()).toBeUndefined();
  expect(await readFile(log, "utf8")).toBe("one\ntwo\n");
  await world.issue();
  expect(isDeployed(await world.read())).toBe(false);
  expect(await world.deploy()).toBeUndefined();
  expect(isDeployed(await world.read())).toBe(true);
  expect(await world.deploy({ all: true })).toBeUndefined();
  expect(await readFile(log, "utf8")).toBe("one\ntwo\n".repeat(3));
});

test("a failed step is repeated alone, and the other steps run anyway", async () => {
  const world = await openWorld();
  const [log, flag] = [world.at("log"), world.at("flag")];
  await world.want([
    shell(`echo before >> ${log}`),
    shell(`echo trying; test -e ${flag} && echo middle >> ${log}`),
    shell(`echo after >> ${log}`),
  ]);
  const problem = await world.deploy();
  expect(problem).toMatchObject({ exitCode: 9, retryable: true });
  expect(problem?.message).toContain("failed with exit code 1. It printed last:\ntrying");
  expect(problem?.hint).toContain("acmectl deploy shop");
  expect((await world.states()).map(({ state }) => state)).toEqual(["done", "failed", "done"]);
  expect((await world.states())[1]?.detail).toContain("trying");
  await writeFile(flag, "");
  expect(await world.deploy()).toBeUndefined();
  expect(await readFile(log, "utf8")).toBe("before\nafter\nmiddle\n");
});

test("several failures are reported one by one", async () => {
  const world = await openWorld([
    { run: "/nowhere/program" },
    shell("exit 3"),
    shell("kill -9 $$"),
  ]);
  const problem = await world.deploy();
  expect(problem?.document.title).toBe("Deploying shop failed");
  expect(problem?.message.split("\n")).toEqual([
    "3 of 3 deploy steps failed.",
    "run /nowhere/program: The command `/nowhere/program` cannot be run: the program /nowhere/program was not found. It printed nothing.",
    "run exit 3: The command `exit 3` failed with exit code 3. It printed nothing.",
    "run kill -9 $$: The command `kill -9 $$` was killed by SIGKILL. It printed nothing.",
  ]);
});

test("the reason of a failed step is reported once, after the certificate's name", async () => {
  const world = await openWorld([shell("echo no such unit; exit 3")]);
  const problem = await world.deploy();
  expect(problem?.document.title).toBe("A deploy step of shop failed");
  expect(problem?.message).toBe(
    "The command `echo no such unit; exit 3` failed with exit code 3. It printed last:\nno such unit",
  );
  expect(world.lines.filter((line) => line.startsWith("warn"))).toEqual([
    "warn shop: failed: run echo no such unit; exit 3",
  ]);
});

test("a moved step is not repeated, and a changed one runs", async () => {
  const world = await openWorld();
  const log = world.at("log");
  const [a, b, c] = ["a", "b", "c"].map((word) => shell(`echo ${word} >> ${log}`));
  if (a === undefined || b === undefined || c === undefined) throw new Error("three steps");
  await world.want([a, b]);
  await world.deploy();
  await world.want([b, { ...a, timeout: 1000, cwd: "/" }, c]);
  expect(deployStatesOf(await world.read()).map(({ state }) => state)).toEqual([
    "done",
    "done",
    "pending",
  ]);
  await world.deploy();
  expect(await readFile(log, "utf8")).toBe("a\nb\nc\n");
  await world.want([c]);
  await world.deploy({ all: true });
  expect(await world.states(), "what is no step any more is forgotten").toHaveLength(1);
});

test("no command and no probe follows a file that could not be written", async () => {
  const world = await openWorld();
  const log = world.at("log");
  const steps = [
    { copy: { key: world.at("missing/key.pem"), fullchain: world.at("full.pem") } },
    shell(`echo loaded >> ${log}`),
    { probe: "127.0.0.1:1" },
  ];
  await world.want(steps);
  const problem = await world.deploy();
  const [count, first, ...others] = problem?.message.split("\n") ?? [];
  expect(count).toBe("3 of 3 deploy steps failed.");
  expect(first).toContain("no such file or directory (ENOENT)");
  expect(others).toEqual(
    Array(2).fill(expect.stringMatching(/: Skipped, since an earlier step failed: copy to/)),
  );
  await expect(readFile(log)).rejects.toThrow("ENOENT");
  await expect(readFile(world.at("full.pem")), "the key comes first").rejects.toThrow("ENOENT");
});

test("deploying takes the certificate's lock and waits a limited time, unless there is nothing to do", async () => {
  const world = await openWorld([shell("true")]);
  const { store } = world.tools;
  const before = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
  await expect(world.deploy({ wait: 0 })).rejects.toMatchObject({ exitCode: 8 });
  await before.release();
  expect(await world.deploy({ wait: 0 })).toBeUndefined();
  const after = await store.lock(`certificate:${name}`, { wait: 0, signal: never });
  expect(await world.deploy({ wait: 0 }), "nothing is to be done").toBeUndefined();
  await after.release();
  const certificate = await world.read();
  expect(await deployCertificate(certificate, { all: true }, world.tools)).toBeUndefined();
});

test("a run that was stopped while it deployed replaces no file once another run has its lock", async () => {
  const world = await openWorld();
  const locks = join(world.tools.store.where, "locks");
  const lose = `cd ${locks} && for lock in *shop*; do rm "$lock" && ln -s another "$lock"; done`;
  await world.want([
    { run: lose, shell: true },
    { copy: { key: world.at("key.pem"), fullchain: world.at("full.pem") } },
  ]);
  await world.issue();
  await writeFile(world.at("key.pem"), "of the other run");
  await expect(world.deploy()).rejects.toMatchObject({ exitCode: 8 });
  expect(await readFile(world.at("key.pem"), "utf8")).toBe("of the other run");
  expect(await readdir(world.folder)).toEqual(["key.pem"]);
});

test("a certificate without steps, or a deleted one, deploys nothing", async () => {
  const world = await openWorld();
  expect(await world.deploy()).toBeUndefined();
  expect((await world.read()).status.deploy).toBeUndefined();
  await world.want([shell("true")]);
  const before = await world.read();
  await rm(`${world.tools.store.where}/certificates`, { recursive: true });
  expect(await deployCertificate(before, { all: false }, world.tools)).toBeUndefined();
});

test("output of a command is logged and stored without the private key", async () => {
  const world = await openWorld([
    shell(
      "cat $RENEWED_LINEAGE/privkey.pem; sed -n 2p $RENEWED_LINEAGE/privkey.pem; echo done; false",
    ),
  ]);
  const problem = await world.deploy();
  const key = await world.tools.store.certificates.readPrivateKey(name);
  if (key === undefined) throw new Error("there is no key");
  expect(world.masked).toContain(key);
  const line = key.split("\n")[1] ?? "";
  expect(line.length).toBeGreaterThan(20);
  const kept = JSON.stringify([await world.states(), problem?.message, world.lines]);
  expect(kept).toContain("done");
  expect(kept).not.toContain(line);
});

test("a stopped run kills its command and leaves the step to the next run", async () => {
  const controller = new AbortController();
  const world = await openWorld([], { signal: controller.signal });
  const log = world.at("log");
  await world.want([shell(`echo begun >> ${log}; sleep 60; echo ended >> ${log}`)]);
  const deploying = world.deploy();
  await expect
    .poll(() => readFile(log, "utf8").catch(() => ""), { timeout: 10_000 })
    .toBe("begun\n");
  controller.abort(new Error("stopped"));
  await expect(deploying).rejects.toThrow("stopped");
  expect((await world.states()).map(({ state }) => state)).toEqual(["pending"]);
});
