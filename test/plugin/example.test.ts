/** The worked example of docs/solvers.md, run against a provider as it describes. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, it } from "vitest";
import { Problem } from "../../src/problem.ts";
import { loadSolverFile } from "../../src/solvers/file.ts";
import { challengeFor, solverConformance, solverContext } from "../../src/testing.ts";

const page = await readFile(new URL("../../docs/solvers.md", import.meta.url), "utf8");
const example = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)]
  .map(([, code]) => code ?? "")
  .find((code) => code.includes("recordSolver("));

interface Held {
  readonly id: string;
  readonly name: string;
  readonly value: string;
}

/** Example DNS: one zone, and doubles are accepted. */
let records: Held[] = [];
let readOnly = false;
const server = createServer((request, response) => {
  void text(request).then((body) => {
    const url = new URL(request.url ?? "", "http://127.0.0.1");
    const end = (status: number, json: object) =>
      response.writeHead(status).end(JSON.stringify(json));
    const id = /^\/zones\/z1\/records\/(\w+)$/.exec(url.pathname)?.[1];
    if (request.headers.authorization !== "Bearer good-token")
      return end(401, { code: "UNKNOWN_TOKEN", message: "Unknown token" });
    if (url.pathname === "/zones") return end(200, { zones: [{ id: "z1", name: "example.test" }] });
    if (request.method === "GET") {
      const name = url.searchParams.get("name");
      return end(200, { records: records.filter((record) => record.name === name) });
    }
    if (readOnly) return end(403, { code: "ACCESS_DENIED", message: "Read only" });
    if (request.method === "POST") {
      const made = { ...JSON.parse(body), id: `r${records.length}${Date.now()}` };
      records.push(made);
      return end(201, made);
    }
    const known = records.some((record) => record.id === id);
    records = records.filter((record) => record.id !== id);
    return known ? end(200, {}) : end(404, { message: "Not found" });
  });
}).listen(0, "127.0.0.1");
const folder = await mkdtemp(join(tmpdir(), "acmectl-example-"));
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

await writeFile(join(folder, "example-dns.ts"), example ?? "");
const { plugin, name } = await loadSolverFile("example-dns.ts", folder, { trusted: true });
const { port } = server.address() as AddressInfo;
const options = { token: "good-token", apiUrl: `http://127.0.0.1:${port}` };
const foreign: Held = { id: "theirs", name: "_acme-challenge.one.example.test", value: "v=spf1" };

const cases = solverConformance({
  plugin,
  options,
  visible: async (challenge) =>
    records.flatMap(({ name, value }) =>
      challenge.type === "dns-01" && name === challenge.recordName ? value : [],
    ),
  foreign: {
    plant: async () => void records.push(foreign),
    look: async () => records.find(({ id }) => id === foreign.id),
    remove: async () => void (records = records.filter(({ id }) => id !== foreign.id)),
  },
  broken: [
    {
      when: "the token is unknown",
      options: { ...options, token: "else" },
      says: /scope dns:write/,
    },
  ],
});
for (const one of cases) it(one.name, one.run);

it("the example of docs/solvers.md fails as the page says", async () => {
  expect(name).toBe("example-dns");
  readOnly = true;
  const { signal } = new AbortController();
  const solver = await plugin.create(options, solverContext());
  const failed = await solver
    .present(challengeFor("dns-01", "www.example.test"), { signal })
    .catch((error: unknown) => error);
  readOnly = false;
  expect(Problem.is(failed) && [failed.message, failed.hint]).toEqual([
    "Example DNS: cannot create the TXT record _acme-challenge.www.example.test in zone example.test (z1) with the API token (token): Read only (HTTP 403, ACCESS_DENIED)",
    "Create a token with the scope dns:write and set token (EXAMPLE_DNS_TOKEN).",
  ]);
});
