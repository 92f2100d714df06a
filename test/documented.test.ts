/** Configs and units of the pages about several hosts, each given to the program that reads it. Their commands are in docs.test.ts. */
import { execFile } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { run } from "./support/run.ts";
import { find } from "./support/servers/catalog.ts";
import { temporaryFolder } from "./support/state.ts";

const pages = [
  "docs/fleet.md",
  "docs/run.md",
  "docs/state.md",
  "plugins/respond/README.md",
  "plugins/stateless/README.md",
];

/** What a test somewhere does with the blocks of each language. */
const executed: Readonly<Record<string, string>> = {
  sh: "docs.test.ts",
  yaml: "this file",
  ini: "this file",
  sql: "e2e/pull.test.ts, e2e/postgres.test.ts and e2e/respond.test.ts",
  json: "e2e/s3.test.ts",
  nginx: "e2e/respond.test.ts",
  apache: "e2e/respond.test.ts",
  haproxy: "e2e/respond.test.ts",
  caddyfile: "e2e/respond.test.ts",
};

const blocks = (
  await Promise.all(
    pages.map(async (page) => {
      const text = await readFile(new URL(`../${page}`, import.meta.url), "utf8");
      return [...text.matchAll(/```(\w*)\n(.*?)```/gs)].map(([, language = "", block = ""]) => {
        return { page, language, block, first: block.split("\n")[0] ?? "" };
      });
    }),
  )
).flat();

async function folderOfTest(): Promise<string> {
  const folder = await temporaryFolder("acmectl-documented-");
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return folder.path;
}

describe("the pages about several hosts", () => {
  test("have only blocks that a test executes", () => {
    expect(blocks.length).toBeGreaterThan(20);
    for (const { page, language } of blocks)
      expect(Object.keys(executed), page).toContain(language);
  });

  const configs = blocks.filter(({ language }) => language === "yaml");
  test.each(configs)("$page: config validate accepts the config `$first`", async ({ block }) => {
    const config = join(await folderOfTest(), "config.yaml");
    await writeFile(config, block);
    const validated = await run(["config", "validate", "--config", config]);
    expect(validated.stdout).toMatch(/is valid/);
  });

  const analyze = find("systemd-analyze");
  const units = blocks.filter(({ language }) => language === "ini");
  test.skipIf(analyze === undefined).each(units)(
    "$page: systemd accepts the units that begin with `$first`",
    async ({ block }) => {
      const folder = await folderOfTest();
      // Without a name it is the one of docs/run.md.
      const parts = block.startsWith("#") ? block.split(/^(?=# \/etc\/systemd)/m) : [block];
      const paths = parts.map((part) => {
        const name = /^# \S+\/(\S+)/.exec(part)?.[1] ?? "acmectl-run.service";
        return [join(folder, name), part.replace("/usr/bin/acmectl", process.execPath)] as const;
      });
      for (const [path, part] of paths) await writeFile(path, part);
      const args = ["verify", "--man=no", ...paths.map(([path]) => path)];
      const { stdout, stderr } = await promisify(execFile)(analyze ?? "", args);
      expect(`${stdout}${stderr}`).not.toMatch(/acmectl-\w+\.(service|timer)/);
    },
  );
});
