import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "../support/servers/process.ts";

const repository = fileURLToPath(new URL("../../", import.meta.url));
const tsc = join(repository, "node_modules/typescript/bin/tsc");

/** Somebody else's solver, as `docs/solvers.md` teaches it: http-01 by a server of its own. */
const solver = `
import { createServer, type Server } from "node:http";
import { defineSolver, Problem } from "acmectl/plugin";

export default defineSolver({
  summary: "answers http-01 from outside the repository",
  challengeTypes: ["http-01"],
  concurrency: 4,
  options: {
    port: { type: "port", required: true, description: "Port to listen on." },
    greeting: { type: "string", choices: ["hello", "hi"], default: "hello", description: "A word to log." },
    apiKey: { type: "string", secret: true, description: "A key that nobody needs." },
  },
  create({ port, greeting, apiKey }, { log }) {
    // Types follow from the declaration.
    const word: "hello" | "hi" = greeting;
    const key: string | undefined = apiKey;
    const bodies = new Map<string, string>();
    let server: Server | undefined;
    return {
      async preflight() {
        if (port < 1024) throw new Problem("machine", { detail: "The port is too low.", hint: "Give one above 1023." });
      },
      async present(challenge, { signal }) {
        signal.throwIfAborted();
        log.info(word, { known: key !== undefined });
        bodies.set(challenge.path, challenge.body);
        if (server === undefined) {
          const started = createServer((request, response) => {
            const body = bodies.get(request.url ?? "");
            response.writeHead(body === undefined ? 404 : 200, { connection: "close" }).end(body);
          });
          server = started;
          await new Promise<void>((resolve) => started.listen(port, "127.0.0.1", resolve));
        }
        return { path: challenge.path };
      },
      async cleanup(challenge) {
        bodies.delete(challenge.path);
      },
      async close() {
        const closing = server;
        server = undefined;
        await new Promise<void>((resolve) => (closing === undefined ? resolve() : closing.close(() => resolve())));
      },
    };
  },
});
`;

/** Its test, for Node's own runner. */
const solverTest = `
import assert from "node:assert";
import { test } from "node:test";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import solver from "./index.js";

const port = Number(process.env["PORT"]);
const options = { port, greeting: "hello", apiKey: "s3cret-key" } as const;
const cases = solverConformance({
  plugin: solver,
  options,
  instances: 1,
  visible: async (challenge) => {
    const response = await fetch(\`http://127.0.0.1:\${port}\${challenge.path}\`).catch(() => undefined);
    return response?.ok === true ? [await response.text()] : [];
  },
  broken: [{ when: "the port is low", options: { ...options, port: 80 }, says: /too low/ }],
});
for (const { name, run } of cases) test(name, run);

test("greets", async () => {
  const log = recordingLog();
  const made = await solver.create(options, solverContext({ log }));
  await made.present(challengeFor("http-01", "example.com"), { signal: new AbortController().signal });
  await made.close?.();
  assert.equal(log.entries[0]?.message, "hello");
});
`;

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
    const all = { PATH: process.env["PATH"], HOME: root, ...env };
    execFile(process.execPath, [...args], { cwd: at(cwd), env: all }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : -1;
      resolve({ code, output: stdout + stderr });
    });
  });
}

/** acmectl as npm installs it: package.json, bin and dist, in a folder that no solver has above it. */
async function installAcmectl(): Promise<void> {
  const installed = "lib/node_modules/acmectl";
  await mkdir(at(installed), { recursive: true });
  for (const part of ["package.json", "bin"]) {
    await cp(join(repository, part), at(join(installed, part)), { recursive: true });
  }
  await symlink(join(repository, "node_modules"), at(join(installed, "node_modules")));
  const project = join(repository, "tsconfig.json");
  // Whether the project has type errors is `npm run types`' question; tsc emits all the same.
  await runNode([tsc, "-p", project, "--outDir", at(join(installed, "dist"))], ".");
}

beforeAll(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "acmectl-outside-")));
  await installAcmectl();
  await put("dev/package.json", { name: "acmectl-plugin-outside", type: "module" });
  await put("dev/index.ts", solver);
  await put("dev/index.test.ts", solverTest);
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
  it("is typed by the package that npm installs, without skipLibCheck", async () => {
    const checked = await runNode([tsc, "-p", "tsconfig.json"], "dev");
    expect(checked).toEqual({ code: 0, output: "" });
    await put("dev/wrong.ts", solver.replace('word: "hello" | "hi"', 'word: "bye"'));
    const wrong = await runNode([tsc, "-p", "tsconfig.json", "--noEmit"], "dev");
    expect(wrong.output).toContain("wrong.ts");
    await rm(at("dev/wrong.ts"));
  });

  it("passes the conformance suite of acmectl/testing under Node's own test runner", async () => {
    await runNode([tsc, "-p", "tsconfig.json"], "dev");
    await put("built/package.json", { type: "module" });
    await mkdir(at("built/node_modules"));
    await symlink(at("lib/node_modules/acmectl"), at("built/node_modules/acmectl"));
    const env = { PORT: String(await freePort()) };
    const tested = await runNode(["--test", "index.test.js"], "built", env);
    expect(tested.output).toMatch(/^# fail 0$|^ℹ fail 0$/m);
    expect(tested.output).toContain("loses none of 8 responses written side by side");
    expect(tested.code).toBe(0);
  });

  it("works as a .ts file, with no acmectl in any node_modules above it", async () => {
    await put("alone/my-solver.ts", solver);
    const { code, output } = await trySolver("./my-solver.ts", "alone", "my-solver");
    expect(output).toContain("example.com by my-solver (http-01): visible");
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
    await cp(at("built/index.js"), at(`${folder}/index.js`));
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

  it("as TypeScript in a package is told to ship JavaScript", async () => {
    const folder = "project/node_modules/acmectl-plugin-typed";
    await put(`${folder}/package.json`, { name: "acmectl-plugin-typed", exports: "./index.ts" });
    await put(`${folder}/index.ts`, solver);
    const { code, output } = await trySolver("typed", "project", "typed");
    expect(output).toContain("the package has to ship JavaScript");
    expect(code).toBe(2);
  });
});
