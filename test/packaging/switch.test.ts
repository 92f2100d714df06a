import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { switchBuild } from "../../packaging/switch.ts";
import { temporaryFolder } from "../support/state.ts";

const run = promisify(execFile);
let root: string;
let dist: string;

beforeEach(async () => {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  root = folder.path;
  dist = join(root, "dist");
});

/** Builds a program of an entry, a command that is loaded when it is needed, and a chunk of each. */
async function build(version: number): Promise<void> {
  const files = {
    "package.json": `{ "type": "module" }`,
    "src/main.js": `import { version } from "./chunks/base-${version}.js";
      process.stdout.write("ready");
      process.stdin.once("data", async () => {
        const { command } = await import("./chunks/late-${version}.js");
        console.log("", version, command, (await import("./commands/issue.js")).command);
        process.exit();
      });`,
    "src/commands/issue.js": `export { command } from "../chunks/late-${version}.js";`,
    [`src/chunks/base-${version}.js`]: `export const version = ${version};`,
    [`src/chunks/late-${version}.js`]: `export const command = ${version};`,
    [`src/commands/only-${version}.js`]: "",
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(root, "dist.new", name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  }
  switchBuild(join(root, "dist.new"), dist);
}

async function start(): Promise<() => Promise<string>> {
  const child = spawn(process.execPath, [join(dist, "src/main.js")], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdout.setEncoding("utf8");
  const [first] = await once(child.stdout, "data");
  let said = String(first);
  child.stdout.on("data", (more: string) => (said += more));
  return async () => {
    child.stdin.write("go\n");
    await once(child, "close");
    return said.trim();
  };
}

test("a command that started before the build was switched loads the rest of its code after it", async () => {
  await build(1);
  const goOn = await start();
  await build(2);
  expect(await goOn()).toBe("ready 1 1 2");
  expect(await (await start())()).toBe("ready 2 2 2");
});

test("every command that starts while builds are switched finds all of its files", async () => {
  await build(1);
  const over = new AbortController();
  const building = (async () => {
    for (let version = 2; !over.signal.aborted; version += 1) {
      await build(version);
      // Long enough for a command to start: chunks stay for one more build.
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  })();
  const said = [];
  for (let turn = 0; turn < 20; turn += 1) said.push(await (await start())());
  over.abort();
  await building;
  expect(said).toHaveLength(20);
  for (const line of said) expect(line).toMatch(/^ready (\d+) \1 \d+$/);
});

test("files that are no longer built go, chunks one build later, and they are never packed", async () => {
  await build(1);
  await build(2);
  const exists = (file: string) => existsSync(join(dist, file));
  expect(exists("src/commands/only-1.js")).toBe(false);
  expect(exists("src/chunks/late-1.js")).toBe(true);
  await writeFile(
    join(root, "package.json"),
    '{ "name": "x", "version": "1.0.0", "files": ["dist"] }',
  );
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: root,
  });
  const [{ files }] = JSON.parse(stdout);
  const packed = files.map(({ path }: { path: string }) => path).toSorted();
  expect(packed).toEqual([
    "dist/package.json",
    "dist/src/chunks/base-2.js",
    "dist/src/chunks/late-2.js",
    "dist/src/commands/issue.js",
    "dist/src/commands/only-2.js",
    "dist/src/main.js",
    "package.json",
  ]);
  await build(3);
  expect(exists("src/chunks/late-1.js")).toBe(false);
  expect(await readFile(join(dist, ".npmignore"), "utf8")).toBe(
    "/src/chunks/base-2.js\n/src/chunks/late-2.js\n",
  );
  expect(existsSync(join(root, "dist.new"))).toBe(false);
});
