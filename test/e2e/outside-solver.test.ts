import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../support/servers/process.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const tsc = join(repository, "node_modules/typescript/bin/tsc");

/** The solvers that the documentation shows, and its test for Node's own runner. */
const text = await readFile(join(repository, "docs/solvers.md"), "utf8");
const [solver = "", provider = "", solverTest = ""] = [
  ...text.matchAll(/^```ts\n([^]*?)^```$/gm),
].map(([, code]) => code ?? "");

let root: string;
const at = (path: string) => join(root, path);

async function put(path: string, content: string | object): Promise<void> {
  await mkdir(dirname(at(path)), { recursive: true });
  await writeFile(at(path), typeof content === "string" ? content : JSON.stringify(content));
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

function runNode(args: readonly string[], cwd: string, env: object = {}): Promise<Ended> {
  return new Promise((resolve) => {
    // Not the folder of this machine, which root would get.
    const state = { ACMECTL_STATE: join(root, "state") };
    const all = { PATH: process.env["PATH"], HOME: root, ...state, ...env };
    const settings = { cwd: at(cwd), env: all, timeout: 60_000 };
    execFile(process.execPath, [...args], settings, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

/** acmectl as npm installs it, in a folder that no solver has above it. */
async function installAcmectl(): Promise<void> {
  for (const part of ["package.json", "bin", "dist"]) {
    const installed = at(join("lib/node_modules/acmectl", part));
    await cp(join(repository, part), installed, { recursive: true });
  }
}

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "acmectl-outside-")));
  await installAcmectl();
  await put("dev/package.json", { name: "acmectl-plugin-outside", type: "module" });
  await put("dev/hello-solver.ts", solver);
  await put("dev/example-dns.ts", provider);
  await put("dev/hello-solver.test.ts", solverTest);
  await put("dev/tsconfig.json", {
    compilerOptions: {
      target: "es2023",
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noUncheckedIndexedAccess: true,
      types: ["node"],
      typeRoots: [join(repository, "node_modules/@types")],
      outDir: at("built"),
    },
  });
  await mkdir(at("dev/node_modules"));
  await symlink(at("lib/node_modules/acmectl"), at("dev/node_modules/acmectl"));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const acmectl = () => at("lib/node_modules/acmectl/bin/acmectl.js");

/** `solvers test` with the solver of that name: it presents, is looked at, and cleans up. */
async function trySolver(name: string, cwd: string, flagPrefix: string): Promise<Ended> {
  const port = await freePort();
  const place = [`--${flagPrefix}-port`, String(port), "--self-check-at", `127.0.0.1:${port}`];
  const args = [acmectl(), "solvers", "test", name, "-d", "example.com", ...place];
  return runNode(args, cwd);
}

describe("a solver outside the repository, written against acmectl/plugin alone", () => {
  it("compiles against the types of the npm package, without skipLibCheck", async () => {
    const checked = await runNode([tsc, "-p", "tsconfig.json"], "dev");
    expect(checked).toEqual({ code: 0, output: "" });
    await put(
      "dev/wrong.ts",
      solver.replace("log.info(greeting,", "log.info(greeting satisfies 'bye',"),
    );
    const wrong = await runNode([tsc, "-p", "tsconfig.json", "--noEmit"], "dev");
    expect(wrong.output).toMatch(/^wrong\.ts.* '"hello" \| "hi"'/m);
    await rm(at("dev/wrong.ts"));
  });

  it("passes the conformance suite of acmectl/testing under Node's own test runner", async () => {
    await runNode([tsc, "-p", "tsconfig.json"], "dev");
    await put("built/package.json", { type: "module" });
    await mkdir(at("built/node_modules"));
    await symlink(at("lib/node_modules/acmectl"), at("built/node_modules/acmectl"));
    const env = { PORT: String(await freePort()) };
    const tested = await runNode(["--test", "hello-solver.test.js"], "built", env);
    expect(tested.output).toMatch(/^# fail 0$|^ℹ fail 0$/m);
    expect(tested.output).toContain("loses none of 8 responses written at the same time");
    expect(tested.code).toBe(0);
  });

  it("works as a .ts file, with no acmectl in any node_modules above it", async () => {
    await put("alone/hello-solver.ts", solver);
    const { code, output } = await trySolver("./hello-solver.ts", "alone", "hello-solver");
    expect(output).toContain("example.com by hello-solver (http-01): visible");
    expect(code).toBe(0);
  });

  it("works as a package of the working directory, in JavaScript", async () => {
    await runNode([tsc, "-p", "tsconfig.json"], "dev");
    const folder = "project/node_modules/acmectl-plugin-outside";
    await put(`${folder}/package.json`, {
      name: "acmectl-plugin-outside",
      version: "3.1.4",
      type: "module",
      exports: "./index.js",
    });
    await cp(at("built/hello-solver.js"), at(`${folder}/index.js`));
    const { code, output } = await trySolver("outside", "project", "outside");
    expect(output).toContain("example.com by outside (http-01): visible");
    expect(code).toBe(0);
    const listed = await runNode([acmectl(), "solvers", "list"], "project");
    expect(listed.output).toMatch(/^outside +http-01 +acmectl-plugin-outside@3\.1\.4 /m);
  });

  it("works as a package that was installed beside acmectl", async () => {
    await cp(
      at("project/node_modules/acmectl-plugin-outside"),
      at("lib/node_modules/acmectl-plugin-beside"),
      {
        recursive: true,
      },
    );
    await mkdir(at("elsewhere"));
    const { code, output } = await trySolver("beside", "elsewhere", "beside");
    expect(output).toContain("example.com by beside (http-01): visible");
    expect(code).toBe(0);
  });

  it("a package of TypeScript files fails with a hint to ship JavaScript", async () => {
    const folder = "project/node_modules/acmectl-plugin-typed";
    await put(`${folder}/package.json`, { name: "acmectl-plugin-typed", exports: "./index.ts" });
    await put(`${folder}/index.ts`, solver);
    const { code, output } = await trySolver("typed", "project", "typed");
    expect(output).toContain("the package has to ship JavaScript");
    expect(code).toBe(2);
  });
});
