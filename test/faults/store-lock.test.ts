/** Locks between processes: never two holders, and a dead one's is free at once. */
import { once } from "node:events";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { expect, onTestFinished, test } from "vitest";

import { newVersion } from "../state/material.ts";
import { never, openStore } from "../state/state.ts";
import { runChild, startChild } from "./children.ts";

test("of eight processes only one has the lock at a time, even after its first holder was killed", async () => {
  const { store, root } = await openStore();
  await prepare(root);
  await killedHolder(root);

  const children = await Promise.all(
    Array.from({ length: 8 }, () => runChild("contend", root, "10")),
  );
  for (const child of children) expect(child.stderr).toBe("");

  const lines = (await readFile(join(dirname(root), "held.log"), "utf8")).trim().split("\n");
  expect(lines).toHaveLength(8 * 10 * 2);
  for (let index = 0; index < lines.length; index += 2) {
    expect(lines[index]).toMatch(/^\+/);
    expect(lines[index + 1]).toBe(lines[index]?.replace("+", "-"));
  }
  expect(await readdir(join(root, "locks"))).toEqual([]);
  await (await store.lock("certificate:shop", { wait: 0, signal: never })).release();
}, 60_000);

test("the lock of a process that was killed is free at once", async () => {
  const { store, root } = await openStore();
  await prepare(root);
  await killedHolder(root);

  const lock = await store.lock("certificate:shop", { wait: 0, signal: never });
  await lock.assertHeld();
  await lock.release();
});

test("a lock of another process is refused with its pid, or waited for with a message", async () => {
  const { store, root } = await openStore();
  await prepare(root);
  const holder = await startHolder(root);

  const refused = await store
    .lock("certificate:shop", { wait: 0, signal: never })
    .catch((error) => error);
  expect(refused).toMatchObject({ exitCode: 8 });
  expect(refused.message).toMatch(
    new RegExp(`pid ${holder.pid} on .* since \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d UTC`),
  );

  const told: string[] = [];
  const waiting = store.lock("certificate:shop", {
    wait: 30_000,
    signal: never,
    onWait: (who) => {
      told.push(who);
      holder.kill("SIGKILL");
    },
  });
  await (await waiting).release();
  expect(told).toHaveLength(1);
  expect(told[0]).toContain(`pid ${holder.pid}`);
});

async function prepare(root: string): Promise<void> {
  const version = await newVersion("0a");
  await writeFile(
    join(dirname(root), "material.json"),
    JSON.stringify({ versions: [version], keys: [version.privateKey, version.privateKey] }),
  );
}

async function startHolder(root: string) {
  const child = startChild("hold", root);
  onTestFinished(() => void child.kill("SIGKILL"));
  if (child.stdout !== null) await once(child.stdout, "data");
  return child;
}

async function killedHolder(root: string): Promise<void> {
  const child = await startHolder(root);
  child.kill("SIGKILL");
  await once(child, "exit");
}
