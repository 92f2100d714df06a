import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parse } from "es-module-lexer";
import { beforeAll, describe, expect, test } from "vitest";
import { widths } from "../../src/prepared.ts";
import { run as main } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../../", import.meta.url));

interface Packed {
  filename: string;
  unpackedSize: number;
  files: { path: string; size: number }[];
}

test.each(widths)(
  "help of %i columns is written by the build as it is shown from source",
  async (columns) => {
    const written = JSON.parse(
      await readFile(join(repository, "dist", "src", `help-${columns}.json`), "utf8"),
    );
    const topics = Object.keys(written);
    expect(topics).toEqual(expect.arrayContaining(["", "issue", "account", "account register"]));
    for (const topic of topics) {
      const words = topic.split(" ").filter(Boolean);
      expect((await main([...words, "--help"], { columns })).stdout).toBe(written[topic]);
    }
  },
);

test("npm run stack shows a place in the bundle as one in the source", async () => {
  const file = "dist/src/main.js";
  const built = await readFile(join(repository, file), "utf8");
  const at = built.slice(0, built.indexOf("function watchStdout")).split("\n");
  const place = `${file}:${at.length}:${(at.at(-1) ?? "").length + 1}`;
  const shown = run(process.execPath, ["packaging/stack.ts"], { cwd: repository });
  shown.child.stdin?.end(`    at watchStdout (file:///usr/lib/acmectl/${place})\n`);
  const source = (await readFile(join(repository, "src/main.ts"), "utf8")).split("\n");
  const line = source.findIndex((text) => text.startsWith("function watchStdout")) + 1;
  expect((await shown).stdout).toBe(`    at watchStdout (src/main.ts:${line}:1)\n`);
});

describe("the npm package", () => {
  let packed: Packed;
  let paths: readonly string[];
  beforeAll(async () => {
    const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
      cwd: repository,
    });
    packed = JSON.parse(stdout)[0];
    paths = packed.files.map(({ path }) => path);
  });

  test("is at most 5 MB in at most 160 files", () => {
    expect(packed.unpackedSize).toBeLessThan(5_000_000);
    expect(paths.length).toBeLessThanOrEqual(160);
  });

  test("brings its documentation, schemas, declarations and third-party notices, and no source", () => {
    for (const path of [
      "LICENSE",
      "README.md",
      "bin/acmectl.js",
      "dist/THIRD-PARTY-NOTICES",
      "dist/types/src/plugin.d.ts",
      "dist/types/src/testing.d.ts",
      "plugins/route53/README.md",
      "schema/config.schema.json",
    ])
      expect(paths).toContain(path);
    expect(paths.filter((path) => /(?<!\.d)\.ts$|\.map$|^(src|test)\//.test(path))).toEqual([]);
  });

  test("has no dependencies, and no script that npm would run or warn of at its users", async () => {
    const manifest = JSON.parse(await readFile(join(repository, "package.json"), "utf8"));
    for (const kind of ["dependencies", "peerDependencies", "optionalDependencies"])
      expect(manifest[kind]).toBeUndefined();
    const scripts = Object.keys(manifest.scripts);
    expect(scripts.filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([]);
  });

  test("imports nothing that it does not contain", async () => {
    const modules = paths.filter((path) => /^dist\/.*\.js$/.test(path));
    for (const path of modules) {
      const text = await readFile(join(repository, path), "utf8");
      const required = text.matchAll(/__require\("([^"]+)"\)/g);
      const outside = [
        ...parse(text)[0].map(({ n }) => n),
        ...[...required].map(([, name]) => name),
      ]
        .filter((name) => name !== undefined && !name.startsWith("."))
        .filter((name) => !isBuiltin(name ?? ""));
      expect({ path, outside }).toEqual({ path, outside: [] });
    }
  });

  test("leads to files that exist", async () => {
    const { exports, imports, bin } = JSON.parse(
      await readFile(join(repository, "package.json"), "utf8"),
    );
    const published = Object.values<Record<string, string>>(exports);
    for (const target of published.flatMap((one) => [one["types"], one["default"]]))
      expect(paths).toContain(target?.slice(2));
    expect(paths).toContain(imports["#main"].default.slice(2));
    expect(paths).toContain(bin.acmectl);
  });

  test("installs without a warning and runs, and runs at once with npx", async () => {
    await using folder = await temporaryFolder();
    await run("npm", ["pack", "--ignore-scripts", "--pack-destination", folder.path], {
      cwd: repository,
    });
    const { stdout, stderr } = await run(
      "npm",
      [
        "install",
        "--global",
        "--offline",
        "--prefix",
        folder.path,
        join(folder.path, packed.filename),
      ],
      {
        cwd: folder.path,
        // npm's own news of its next version are not about the package.
        env: { ...process.env, HOME: folder.path, npm_config_update_notifier: "false" },
      },
    );
    expect(stderr).toBe("");
    expect(stdout).toContain("added 1 package");
    const installed = join(folder.path, "lib/node_modules/acmectl");
    expect(existsSync(join(installed, "node_modules"))).toBe(false);
    const env = { PATH: process.env["PATH"], HOME: folder.path };
    const listed = await run(join(folder.path, "bin/acmectl"), ["solvers", "list"], { env });
    expect(listed.stdout).toContain("route53");
    const npx = await run("npx", ["--offline", "--yes", `./${packed.filename}`, "--version"], {
      cwd: folder.path,
      env,
    });
    expect(npx.stderr).toBe("");
    expect(npx.stdout).toMatch(/^acmectl \d/);
  });
});
