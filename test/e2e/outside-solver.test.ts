import { mkdir, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startIssuing } from "../support/issuing.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

/** A whole solver, written by somebody who has seen `acmectl/plugin` alone. */
const source = `
import { createServer, type Server } from "node:http";
import { defineSolver, type Http01Challenge } from "acmectl/plugin";

export default defineSolver({
  summary: "Answers http-01 from memory",
  challengeTypes: ["http-01"],
  options: { port: { type: "port", description: "Where to listen.", required: true } },
  create({ port }, { log }) {
    const bodies = new Map<string, string>();
    let server: Server | undefined;
    return {
      async present({ path, body }: Http01Challenge) {
        bodies.set(path, body);
        server ??= createServer((request, response) => {
          const found = bodies.get(request.url ?? "");
          response.writeHead(found === undefined ? 404 : 200).end(found);
        }).listen(port, "127.0.0.1");
        log.info("my own solver serves " + path);
        return { path };
      },
      async cleanup({ path }: Http01Challenge) {
        bodies.delete(path);
      },
      async close() {
        server?.closeAllConnections();
        server?.close();
      },
    };
  },
});
`;

test("a solver in a .ts file outside the repository issues a certificate", async () => {
  await using issuing = await startIssuing();
  await using outside = await temporaryFolder();
  await writeFile(join(outside.path, "my-solver.ts"), source);
  const words = [
    "issue",
    "-d",
    "file.example.test",
    "--solver",
    "./my-solver.ts",
    "--my-solver-port",
    String(issuing.httpPort),
  ];
  const place = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`];
  const { code, stderr } = await acmectl([...words, ...issuing.words, ...place], {
    cwd: outside.path,
    env: { HOME: outside.path },
  }).ended;
  expect(stderr).toContain("my own solver serves");
  expect(stderr).not.toContain("Hint");
  expect(code).toBe(0);
});

test("a solver in an npm package issues a certificate", async () => {
  await using issuing = await startIssuing();
  await using outside = await temporaryFolder();
  const home = join(outside.path, "node_modules", "acmectl-plugin-mine");
  await mkdir(home, { recursive: true });
  const manifest = {
    name: "acmectl-plugin-mine",
    version: "1.2.3",
    type: "module",
    exports: "./index.js",
  };
  await writeFile(join(home, "package.json"), JSON.stringify(manifest));
  await writeFile(join(home, "index.js"), stripTypeScriptTypes(source));
  const words = ["issue", "-d", "package.example.test", "--solver", "mine"];
  const place = ["--self-check-at", `127.0.0.1:${issuing.httpPort}`];
  const { code, stderr } = await acmectl([...words, ...issuing.words, ...place], {
    cwd: outside.path,
    env: { HOME: outside.path, ACMECTL_MINE_PORT: String(issuing.httpPort) },
  }).ended;
  expect(stderr).toContain("my own solver serves");
  expect(code).toBe(0);
});
