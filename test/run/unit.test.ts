import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { find } from "../support/servers/catalog.ts";
import { temporaryFolder } from "../support/state.ts";

const analyze = find("systemd-analyze");

test.skipIf(analyze === undefined)("systemd accepts the documented unit of `run`", async () => {
  const text = await readFile(new URL("../../docs/run.md", import.meta.url), "utf8");
  const unit = /```ini\n(.*?)```/s.exec(text)?.[1] ?? "";
  expect(unit).toContain("Type=notify");
  const folder = await temporaryFolder("acmectl-unit-");
  onTestFinished(() => folder[Symbol.asyncDispose]());
  const file = join(folder.path, "acmectl-run.service");
  await writeFile(file, unit.replace("/usr/bin/acmectl", process.execPath));
  const { stdout, stderr } = await promisify(execFile)(analyze ?? "", ["verify", "--man=no", file]);
  expect(`${stdout}${stderr}`).not.toMatch(/acmectl-run\.service/);
});
