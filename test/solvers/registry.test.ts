import { runHint } from "../support/shell.ts";
import { chmod, chown, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { Problem } from "../../src/problem.ts";
import { builtInSolvers, installedSolvers, loadSolver } from "../../src/solvers/registry.ts";

let cwd: string;
beforeEach(async () => {
  cwd = await realpath(await mkdtemp(join(tmpdir(), "acmectl-registry-")));
  return () => rm(cwd, { recursive: true, force: true });
});

/** A solver's module in plain JavaScript. */
function source(summary: string, more = ""): string {
  return `export default {
    summary: ${JSON.stringify(summary)}, challengeTypes: ["http-01"], options: {},
    create: () => ({ present: async () => null, cleanup: async () => {} }), ${more}
  };`;
}

async function put(path: string, text: string): Promise<string> {
  const file = join(cwd, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
}

async function putPackage(name: string, summary: string, manifest: object = {}): Promise<string> {
  const folder = `node_modules/${name}`;
  const all = { name, version: "1.2.3", type: "module", exports: "./index.js", ...manifest };
  await put(`${folder}/package.json`, JSON.stringify(all));
  return put(`${folder}/index.js`, source(summary));
}

async function problemOf(name: string): Promise<Problem> {
  const error = await loadSolver(name, { cwd }).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!Problem.is(error)) throw new Error(`no Problem but ${String(error)}`);
  expect(error.is("plugin")).toBe(true);
  expect(error.exitCode).toBe(2);
  expect(error.hint).toBeTruthy();
  return error;
}

describe("a built-in solver", () => {
  it("every folder of plugins/ is a built-in solver", async () => {
    expect(await builtInSolvers()).toEqual(expect.arrayContaining(["standalone", "webroot"]));
    const { name, origin, plugin, readme } = await loadSolver("webroot", { cwd });
    expect({ name, origin }).toEqual({ name: "webroot", origin: "built-in" });
    expect(plugin.challengeTypes).toEqual(["http-01"]);
    expect(readme).toMatch(/plugins\/webroot\/README\.md$/);
  });

  it("a package or a file does not shadow a built-in solver", async () => {
    await putPackage("acmectl-plugin-webroot", "evil");
    await put("webroot", source("evil"));
    await put("webroot.js", source("evil"));
    expect((await loadSolver("webroot", { cwd })).origin).toBe("built-in");
    expect(await installedSolvers({ cwd })).not.toContain("webroot");
    const asked = await loadSolver("@scope/webroot", { cwd }).catch((error: unknown) => error);
    expect(Problem.is(asked)).toBe(true);
  });

  it.each(["../src", "toString", "__proto__", ".", "..", "webroot/../standalone", ""])(
    "is never %j",
    async (name) => {
      await problemOf(name);
    },
  );
});

describe("a solver file", () => {
  it("a solver file is named by its path, and its name begins flags and variables", async () => {
    const file = await put("solvers/My Solver.mjs", source("mine"));
    const expected = { name: "my-solver", origin: file };
    expect(await loadSolver("./solvers/My Solver.mjs", { cwd })).toMatchObject(expected);
    expect(await loadSolver(file, { cwd: "/" })).toMatchObject(expected);
    await put("of-a-folder/index.js", source("indexed"));
    expect(await loadSolver("./of-a-folder/index.js", { cwd })).toMatchObject({
      name: "of-a-folder",
    });
  });

  it("a solver file that is missing or a folder is reported with its whole path", async () => {
    const missing = await problemOf("./nope.mjs");
    expect(missing.message).toContain(`${cwd}/nope.mjs cannot be read`);
    await mkdir(join(cwd, "folder"));
    expect((await problemOf("./folder")).message).toBe(`The solver ${cwd}/folder is not a file.`);
  });

  it("a solver file without ./ gets a hint with the right spelling", async () => {
    await put("my-solver.ts", source("mine"));
    const problem = await problemOf("my-solver.ts");
    expect(problem.hint).toBe("Give the path of a solver in a file: ./my-solver.ts.");
  });

  it("a solver file that fails while it loads is reported with its own message", async () => {
    await put("broken.mjs", "throw new Error('no licence found');");
    const problem = await problemOf("./broken.mjs");
    expect(problem.message).toContain(`${cwd}/broken.mjs cannot be loaded: no licence found`);
  });

  it("a solver file compiled to CommonJS is unwrapped", async () => {
    const text = source("compiled").replace("export default", "exports.default =");
    await put(
      "compiled.cjs",
      `Object.defineProperty(exports, "__esModule", { value: true });${text}`,
    );
    expect((await loadSolver("./compiled.cjs", { cwd })).plugin.summary).toBe("compiled");
  });
});

describe("a default export that is not a solver", () => {
  it.each([
    ["export const solver = 1;", "it has no default export"],
    ["export default () => {};", "its default export is not an object"],
    [source("two\nlines"), "`summary` is not one line of text"],
    [source("x", "challengeTypes: []"), "`challengeTypes` is not a list with at least one"],
    [source("x", "challengeTypes: ['dns-02']"), '"dns-02" is none of http-01, dns-01, tls-alpn-01'],
    [source("x", "concurrency: 0"), "`concurrency` is not a whole number above 0"],
    [source("x", "options: []"), "`options` is not an object"],
    [source("x", "options: { api_token: {} }"), "`api_token` is not written in camelCase"],
    [source("x", "options: { ttl: { type: 'int', description: 'T.' } }"), "`ttl` has a type that"],
    [source("x", "options: { ttl: { type: 'integer' } }"), "`ttl` has no description"],
    [
      source(
        "x",
        "options: { key: { type: 'string', description: 'K.', secret: true, default: 'a' } }",
      ),
      "`key` is secret and may have no default",
    ],
    [
      source("x", "options: { key: { type: 'string', description: 'K.', env: ['A B'] } }"),
      "`key` lists environment variables that are not names",
    ],
    [source("x", "create: undefined"), "`create` is not a function"],
  ])(
    "fault %#: a wrong default export is reported with its file and what is wrong",
    async (text, fault) => {
      const file = await put("bad.mjs", text);
      const problem = await problemOf("./bad.mjs");
      expect(problem.message).toContain(file);
      expect(problem.message).toContain(fault);
      expect(problem.hint).toContain("defineSolver");
    },
  );

  it("all faults of a default export are reported at once", async () => {
    await put("bad.mjs", source("", "create: 1, concurrency: 'many'"));
    const { message } = await problemOf("./bad.mjs");
    for (const word of ["`summary`", "`create`", "`concurrency`"]) expect(message).toContain(word);
  });
});

describe("a solver package", () => {
  it("a solver package is found from the working directory upwards, by its short and its whole name", async () => {
    await putPackage("acmectl-plugin-hello", "plain");
    await putPackage("@acme-corp/acmectl-plugin-hello", "scoped");
    const below = join(cwd, "a/b");
    await mkdir(below, { recursive: true });
    for (const name of ["hello", "acmectl-plugin-hello"]) {
      expect(await loadSolver(name, { cwd: below })).toMatchObject({
        name: "hello",
        origin: "acmectl-plugin-hello@1.2.3",
        plugin: { summary: "plain" },
      });
    }
    for (const name of ["@acme-corp/hello", "@acme-corp/acmectl-plugin-hello"]) {
      expect(await loadSolver(name, { cwd: below })).toMatchObject({
        name: "acme-corp-hello",
        plugin: { summary: "scoped" },
      });
    }
    expect(await installedSolvers({ cwd: below })).toEqual(["@acme-corp/hello", "hello"]);
  });

  it("a solver package that is not chosen is not run", async () => {
    await putPackage("acmectl-plugin-hello", "chosen");
    const other = await putPackage("acmectl-plugin-other", "other");
    await writeFile(other, "globalThis.otherWasRun = true;");
    await loadSolver("hello", { cwd });
    expect("otherWasRun" in globalThis).toBe(false);
  });

  it.each([
    { exports: { ".": { types: "./x.d.ts", import: "./index.js" } } },
    { exports: { require: "./missing.cjs", default: "./index.js" } },
    { exports: { ".": [{ browser: "./no.js" }, "./index.js"] } },
    { exports: undefined, main: "index.js" },
    { exports: undefined },
  ])("is entered as Node would enter it: %j", async (manifest) => {
    await putPackage("acmectl-plugin-hello", "entered", manifest);
    expect((await loadSolver("hello", { cwd })).plugin.summary).toBe("entered");
  });

  it("a solver package without an entry, or with a broken package.json, is reported with its folder", async () => {
    await putPackage("acmectl-plugin-hello", "x", { exports: { "./other": "./index.js" } });
    expect((await problemOf("hello")).message).toContain(
      `${cwd}/node_modules/acmectl-plugin-hello`,
    );
    await put("node_modules/acmectl-plugin-hello/package.json", "{");
    expect((await problemOf("hello")).message).toContain("package.json is not JSON");
  });
});

describe("an unknown solver", () => {
  it("an unknown solver lists those that exist, the nearest name, and the command that installs it", async () => {
    await putPackage("acmectl-plugin-hello", "plain");
    const problem = await problemOf("webrot");
    expect(problem.message).toMatch(/^There is no solver called "webrot"\. Built in: .*webroot/);
    expect(problem.message).toContain("Installed as packages: hello.");
    expect(problem.hint).toBe(
      "Did you mean webroot? If it is a package of its own, install it: npm install acmectl-plugin-webrot",
    );
    const scoped = await problemOf("@acme-corp/dns-of-ours");
    expect(scoped.hint).toContain("npm install @acme-corp/acmectl-plugin-dns-of-ours");
    expect((await problemOf("Not a Name")).hint).toContain("acmectl solvers list");
  });
});

describe.runIf(process.geteuid?.() === 0)("as root", () => {
  it("root does not run a solver file that others can write", async () => {
    const file = await put("mine.mjs", source("mine"));
    await chmod(file, 0o666);
    const problem = await problemOf("./mine.mjs");
    expect(problem.message).toContain(`users other than root can change ${file}`);
    runHint(problem.hint);
    await loadSolver("./mine.mjs", { cwd });
  });

  it("root does not run a solver file that others can replace, also behind a link", async () => {
    const folder = join(cwd, "open");
    const file = await put("open/mine.mjs", source("mine"));
    await symlink(file, join(cwd, "link.mjs"));
    await chmod(folder, 0o777);
    expect((await problemOf("./link.mjs")).message).toContain(`can change ${folder}`);
    await chmod(folder, 0o1777);
    await loadSolver("./link.mjs", { cwd });
    await chown(file, 1234, 1234);
    const { message, hint } = await problemOf("./link.mjs");
    expect(message).toContain(`can change ${file}`);
    runHint(hint);
    await loadSolver("./link.mjs", { cwd });
  });
});
