import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { CertificateRequest } from "../../src/certificate.ts";
import { openHooks } from "../../src/deploy/hooks.ts";
import { openOncePerRun } from "../../src/deploy/tools.ts";
import { Problem } from "../../src/problem.ts";
import { requestOf } from "../state/material.ts";
import { openWorld, shell } from "./world.ts";

async function withHooks(hooks: (log: string) => CertificateRequest["hooks"]) {
  const controller = new AbortController();
  const world = await openWorld([], { signal: controller.signal });
  const log = world.at("log");
  const requests = ["one", "two", "three"].map((name) => ({
    ...requestOf(name),
    identifiers: [{ type: "dns" as const, value: `${name}.example.com` }],
    hooks: hooks(log),
  }));
  const [one, two, three] = requests;
  if (one === undefined || two === undefined || three === undefined) throw new Error("three");
  return {
    world,
    controller,
    one,
    two,
    three,
    hooks: openHooks({ ...world.tools, once: openOncePerRun() }),
    said: async () => readFile(log, "utf8").catch(() => ""),
  };
}

test("identical pre and post commands run once for all certificates of a run, failure commands once for each", async () => {
  const { hooks, one, two, three, said } = await withHooks((log) => ({
    pre: [shell(`echo stop >> ${log}`)],
    post: [shell(`echo "start: $RENEWED_DOMAINS / $FAILED_DOMAINS" >> ${log}`)],
    failure: [shell(`echo "failed: $FAILED_DOMAINS $ACMECTL_HOOK_PROBLEM_DETAIL" >> ${log}`)],
  }));
  await Promise.all([one, two, three].map((request) => hooks.pre(request)));
  hooks.issued(one);
  hooks.issued(three);
  await hooks.failure(two, new Problem("validation", { detail: "it did not answer" }));
  await hooks.post();
  expect(await said()).toBe(
    [
      "stop",
      "failed: two.example.com it did not answer",
      "start: one.example.com three.example.com / two.example.com",
      "",
    ].join("\n"),
  );
});

test("a run that issued nothing runs no post hook", async () => {
  const { hooks, said } = await withHooks((log) => ({ post: [shell(`echo start >> ${log}`)] }));
  await hooks.post();
  expect(await said()).toBe("");
});

test("a failed pre hook stops the order, and the post hook still runs", async () => {
  const { hooks, one, two, said } = await withHooks((log) => ({
    pre: [shell(`echo tried >> ${log}; exit 4`)],
    post: [shell(`echo start >> ${log}`)],
  }));
  for (const request of [one, two]) {
    await expect(hooks.pre(request)).rejects.toMatchObject({
      exitCode: 3,
      document: { title: "A pre hook failed" },
      message: expect.stringContaining("failed with exit code 4"),
    });
  }
  await hooks.post();
  expect(await said()).toBe("tried\nstart\n");
});

test("a failed post or failure hook only warns", async () => {
  const { hooks, one, world } = await withHooks(() => ({
    post: [shell("exit 5")],
    failure: [{ run: "/nowhere/notify" }],
  }));
  await hooks.pre(one);
  await hooks.failure(one, new Error("a bug"));
  await hooks.post();
  const warnings = world.lines.filter((line) => line.startsWith("warn"));
  expect(warnings).toEqual([
    expect.stringContaining("The failure hook `/nowhere/notify` cannot be run"),
    expect.stringContaining("The post hook `exit 5` failed with exit code 5"),
  ]);
});

test("post hooks run after Ctrl-C", async () => {
  const { hooks, one, controller, said } = await withHooks((log) => ({
    pre: [shell(`echo stop >> ${log}`)],
    post: [shell(`echo start >> ${log}`)],
  }));
  await hooks.pre(one);
  controller.abort(new Error("stopped"));
  await hooks.post();
  expect(await said()).toBe("stop\nstart\n");
});

test("other runs leave the pending post hooks of a running one alone, and it leaves none when it ends", async () => {
  const { hooks, one, two, world, said } = await withHooks((log) => ({
    pre: [shell(`echo stop >> ${log}`)],
    post: [shell(`echo start >> ${log}`), shell(`echo tell >> ${log}`)],
  }));
  const { store } = world.tools;
  const other = openHooks({ ...world.tools, once: openOncePerRun() });
  await Promise.all([hooks.pre(one), hooks.pre(two)]);
  expect(JSON.stringify(await store.pendingHooks.list())).toMatch(
    /^[^]*echo start[^]*echo tell[^]*$/,
  );
  await other.resume();
  expect(await said()).toBe("stop\n");
  await hooks.post();
  await other.resume();
  expect(await said()).toBe("stop\nstart\ntell\n");
  expect(await store.pendingHooks.list()).toEqual({});
  expect(await readdir(join(store.where, "locks"))).toEqual([]);
});

test("issues a certificate although its post hooks cannot be stored", async () => {
  const { hooks, one, world, said } = await withHooks((log) => ({
    pre: [shell(`echo stop >> ${log}`)],
    post: [shell(`echo start >> ${log}`)],
  }));
  await mkdir(join(world.tools.store.where, "hooks"), { recursive: true });
  await writeFile(join(world.tools.store.where, "hooks/post.json"), "{");
  await hooks.resume();
  await hooks.pre(one);
  await hooks.post();
  expect(await said()).toBe("stop\nstart\n");
  expect(world.lines.filter((line) => line.startsWith("warn"))).toContainEqual(
    expect.stringContaining("is broken"),
  );
});

test("a certificate whose key cannot be decrypted is renewed, and its hooks get no files", async () => {
  const { world, one, hooks, said } = await withHooks((log) => ({
    pre: [shell(`echo "pre: $ACMECTL_HOOK_NAME $ACMECTL_HOOK_CERT" >> ${log}`)],
    failure: [shell(`echo "failure: $ACMECTL_HOOK_PROBLEM_DETAIL" >> ${log}`)],
  }));
  await world.want([]);
  await world.issue();
  const { held } = await world.read();
  const { store } = world.tools;
  store.certificates.files = () =>
    Promise.reject(new Problem("machine", { detail: "it cannot be decrypted." }));
  await hooks.pre(one, held);
  await hooks.failure(one, new Problem("validation", { detail: "it did not answer" }), held);
  expect(await said()).toBe("pre: one \nfailure: it did not answer\n");
  expect(world.lines).toContain("warn hooks get no files of one: it cannot be decrypted.");
  const before = world.lines.length;
  await hooks.pre({ ...one, hooks: {} }, held);
  await hooks.failure({ ...one, hooks: {} }, new Error("a bug"), held);
  expect(world.lines).toHaveLength(before);
});
