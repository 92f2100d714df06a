import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { reloadableServers, startTlsProtocols } from "../../src/certificate.ts";
import {
  certificateVariables,
  heldFiles,
  problemVariables,
  runVariables,
} from "../../src/deploy/environment.ts";
import { deployFlags, deployOptions } from "../../src/options/declared/deployment.ts";
import { flagOf } from "../../src/options/names.ts";
import { Problem } from "../../src/problem.ts";
import { run } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";
import { openWorld } from "./world.ts";

const page = await readFile(new URL("../../docs/deploy.md", import.meta.url), "utf8");

test("the config in docs/deploy.md is valid", async () => {
  await using folder = await temporaryFolder();
  const config = join(folder.path, "config.yaml");
  const [, yaml = ""] = /```yaml\n([^]*?)```/.exec(page) ?? [];
  await writeFile(config, yaml);
  const ran = await run(["config", "validate", "--config", config], { env: { HOME: folder.path } });
  expect(ran.code, ran.stderr).toBe(0);
});

test("docs/deploy.md names every flag, step, server and variable", async () => {
  const world = await openWorld();
  const { request, held } = await world.read();
  const files = await heldFiles(request.name, held, world.tools.store);
  const both = files && {
    ...files,
    meta: { ...files.meta, second: files.meta },
    files: { ...files.files, second: files.files },
  };
  const problem = new Problem("validation", { detail: "it did not answer" });
  const given = {
    ...certificateVariables("deploy", request, both),
    ...certificateVariables("failure", request, files),
    ...problemVariables(problem),
    ...runVariables([], []),
  };
  const named = new Set(page.match(/(?:ACMECTL_HOOK|LEGO_HOOK|RENEWED|FAILED)_[A-Z_]+/g));
  expect([...named].filter((name) => !(name in given))).toEqual([]);
  expect(
    Object.keys(given).filter((name) => /^(ACMECTL|RENEWED|FAILED)/.test(name) && !named.has(name)),
  ).toEqual([]);
  const words = [
    ...Object.keys(deployFlags).map((option) => flagOf(option)),
    ...Object.keys(deployOptions),
    ...reloadableServers,
    ...startTlsProtocols,
  ];
  expect(
    words.filter((word) => !page.includes(`${word}\``) && !page.includes(`\`${word}`)),
  ).toEqual([]);
});
