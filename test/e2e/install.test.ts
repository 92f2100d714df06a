/** The installation and the last example of README.md and docs/install.md, executed unchanged. */
import { execFile } from "node:child_process";
import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { find } from "../support/servers/catalog.ts";
import { freePort } from "../support/servers/process.ts";
import { conditions, program } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const run = promisify(execFile);
const repository = fileURLToPath(new URL("../../", import.meta.url));
const page = (name: string) => readFile(join(repository, name), "utf8");
const { version } = JSON.parse(await page("package.json"));

const shellBlocks = (markdown: string) =>
  [...markdown.matchAll(/^```sh\n([^]*?)^```$/gm)].map(([, body = ""]) => body);

describe("an installation as documented", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let clone: string;
  beforeAll(async () => {
    folder = await temporaryFolder();
    clone = join(folder.path, "acmectl");
    await run("git", ["clone", "--quiet", repository, clone]);
    await symlink(join(repository, "node_modules"), join(clone, "node_modules"));
    // The packages that `npm ci` would install are there already.
    await mkdir(join(folder.path, "bin"));
    const real = find("npm") ?? "npm";
    const npm = `#!/bin/sh\n[ "$1" = ci ] || exec "${real}" "$@"\n`;
    await writeFile(join(folder.path, "bin/npm"), npm, { mode: 0o755 });
  });
  afterAll(() => folder[Symbol.asyncDispose]());

  /** In a shell, with a prefix of its own for global packages. */
  const shell = async (script: string, name: string) => {
    const prefix = join(folder.path, name);
    const bin = [join(prefix, "bin"), join(folder.path, "bin"), dirname(process.execPath)];
    const { stdout } = await run("bash", ["-ec", script], {
      cwd: clone,
      timeout: 300_000,
      env: {
        PATH: [...bin, "/usr/bin", "/bin"].join(delimiter),
        HOME: folder.path,
        ACMECTL_STATE: join(folder.path, "state"),
        npm_config_prefix: prefix,
        npm_config_offline: "true",
        npm_config_loglevel: "error",
      },
    });
    return stdout;
  };

  test("from a clone works, and from the tarball that the clone packs", async () => {
    const blocks = shellBlocks(await page("docs/install.md"));
    const installing = blocks.filter((block) => block.includes("npm install"));
    expect(installing).toHaveLength(2);
    for (const [index, block] of installing.entries())
      expect(await shell(block, `prefix-${index}`)).toContain(`acmectl ${version}`);
  }, 600_000);

  test("has no other line that installs acmectl", async () => {
    const pages = ["README.md", "CONTRIBUTING.md", "docs/install.md", "docs/ci.md"];
    const texts = await Promise.all(pages.map(page));
    const lines = texts.flatMap((text) => text.match(/npm install [^`\n]*/g) ?? []);
    expect(new Set(lines)).toEqual(
      new Set([
        "npm install --global .",
        `npm install --global ./acmectl-${version}.tgz`,
        // What a pipeline keeps beside its code.
        "npm install --global ./tools/acmectl.tgz",
      ]),
    );
  });
});

test.skipIf(find("jq") === undefined)(
  "the last example of README.md prints the directory of the embedded CA, and ends",
  async () => {
    await using folder = await temporaryFolder();
    const bin = join(folder.path, "bin");
    await mkdir(bin);
    const acmectl = `#!/bin/sh\nexec "${process.execPath}" ${conditions.join(" ")} "${program}" "$@"\n`;
    await writeFile(join(bin, "acmectl"), acmectl, { mode: 0o755 });
    const port = String(await freePort());
    const example = shellBlocks(await page("README.md")).at(-1) ?? "";
    expect(example).toContain("acmectl test-ca --port 14000");
    // A busy machine needs longer than two seconds.
    const script = example.replaceAll("14000", port).replace("sleep 2", "sleep 10");
    // `timeout` ends what the script leaves running as well.
    const { stdout } = await run("timeout", ["40", "bash", "-ec", script], {
      cwd: folder.path,
      env: {
        PATH: [bin, "/usr/bin", "/bin"].join(delimiter),
        HOME: folder.path,
        ACMECTL_STATE: join(folder.path, "state"),
      },
    });
    expect(stdout.trim()).toMatch(new RegExp(`^https://\\S+:${port}/directory$`));
  },
);
