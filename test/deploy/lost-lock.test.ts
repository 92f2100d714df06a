import { rmSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { deployCertificate } from "../../src/deploy/deploy.ts";
import { deployFile } from "../../src/deploy/steps/write-file.ts";
import { Problem } from "../../src/problem.ts";
import { openWorld, shell } from "./world.ts";

test("a run that lost its lock does not execute a deploy step", async () => {
  const world = await openWorld();
  await world.want([shell(`echo deployed >> ${world.at("log")}`)]);
  const locks = join(dirname(world.folder), "state/locks");
  // Logged right before the step.
  const info = (text: string) => text.includes("echo") && rmSync(locks, { recursive: true });
  const tools = { ...world.tools, log: { ...world.tools.log, info } };
  const deployed = deployCertificate(await world.read(), { all: false }, tools);
  await expect(deployed).rejects.toMatchObject({ exitCode: 8 });
  expect(await readdir(world.folder)).toEqual([]);
});

test("a run that loses its lock while it writes a file leaves the one that is there", async () => {
  const world = await openWorld();
  const path = world.at("key.pem");
  await writeFile(path, "theirs");
  let looks = 0;
  const assert = async () => {
    if (looks++ > 0) throw new Problem("locked", { detail: "This run lost the lock." });
  };
  const file = { path, content: "ours", secret: true };
  await expect(deployFile(file, {}, assert)).rejects.toMatchObject({ exitCode: 8 });
  expect(await readFile(path, "utf8")).toBe("theirs");
  expect(await readdir(world.folder)).toEqual(["key.pem"]);
});
