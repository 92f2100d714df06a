import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startDnsServer, testZone } from "../support/dns-server.ts";
import { run, type RunOptions } from "../support/run.ts";
import { freePort } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
beforeEach(async () => {
  folder = await temporaryFolder();
});
afterEach(() => folder[Symbol.asyncDispose]());

/** In a folder and a home of its own. */
function acmectl(line: string, options: RunOptions = {}) {
  const settings = { cwd: folder.path, env: { HOME: folder.path }, ...options };
  return run(line, settings);
}

async function put(path: string, text: string): Promise<void> {
  const file = join(folder.path, path);
  await mkdir(join(file, ".."), { recursive: true });
  await writeFile(file, text);
}

/** A solver whose `present` and `cleanup` are these function bodies. */
function solverSource(present: string, cleanup: string): string {
  return `export default {
    summary: "a solver of our own", challengeTypes: ["http-01"],
    options: { apiKey: { type: "string", secret: true, description: "The key.", env: ["OUR_KEY"] } },
    create: () => ({
      async present(challenge) { ${present} },
      async cleanup(challenge, receipt) { ${cleanup} },
    }),
  };`;
}

describe("solvers list", () => {
  it("solvers list shows the built-in solvers and the packages of the working directory", async () => {
    const manifest = { name: "acmectl-plugin-ours", version: "2.0.0", type: "module" };
    await put("node_modules/acmectl-plugin-ours/package.json", JSON.stringify(manifest));
    await put("node_modules/acmectl-plugin-ours/index.js", solverSource("", ""));
    await put("node_modules/acmectl-plugin-broken/package.json", "{}");
    await put("node_modules/acmectl-plugin-broken/index.js", "exports.nothing = 1;");
    const { code, stdout } = await acmectl("solvers list");
    expect(code).toBe(0);
    expect(stdout).toMatch(/^standalone +http-01 +built-in /m);
    expect(stdout).toMatch(/^ours +http-01 +acmectl-plugin-ours@2\.0\.0 +a solver of our own/m);
    expect(stdout).toMatch(/^broken +.*unusable/m);
    const json = await acmectl("solvers list --json");
    const { solvers } = JSON.parse(json.stdout);
    expect(solvers).toContainEqual({
      name: "ours",
      challengeTypes: ["http-01"],
      origin: "acmectl-plugin-ours@2.0.0",
      summary: "a solver of our own",
    });
  });
});

describe("solvers show", () => {
  it("solvers show prints the flag, variable, default and meaning of each option", async () => {
    const { code, stdout } = await acmectl("solvers show standalone");
    expect(code).toBe(0);
    for (const text of [
      "--standalone-port PORT",
      "ACMECTL_STANDALONE_PORT",
      "a port number from 1 to 65535",
      "one of none, X-Forwarded-Host, Forwarded",
      "plugins/standalone/README.md",
    ]) {
      expect(stdout).toContain(text);
    }
  });

  it("solvers show prints how to give a secret, also for a solver of the config", async () => {
    await put("ours.mjs", solverSource("", ""));
    await put("config.yaml", "solvers: { mine: { use: ./ours.mjs } }\n");
    const { stdout } = await acmectl("solvers show mine --config config.yaml");
    expect(stdout).toContain("none, since it is secret");
    expect(stdout).toContain("ACMECTL_OURS_API_KEY, OUR_KEY");
    expect(stdout).toContain("env:NAME, file:/path, cmd:program args");
    const json = JSON.parse((await acmectl("solvers show ./ours.mjs --json")).stdout);
    expect(json.solver.options).toMatchObject([
      { name: "apiKey", secret: true, variables: ["ACMECTL_OURS_API_KEY", "OUR_KEY"] },
    ]);
    expect(json.solver.options[0]).not.toHaveProperty("flag");
  });

  it("solvers show without a name, or with an unknown one, is a usage error", async () => {
    expect((await acmectl("solvers show")).code).toBe(2);
    const unknown = await acmectl("solvers show standalon");
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toContain("Did you mean standalone?");
  });
});

describe("solvers test", () => {
  it("solvers test presents, checks and cleans up without a CA", async () => {
    const port = await freePort();
    const line = `solvers test standalone -d shop.example.com --standalone-address 127.0.0.1 --standalone-port ${port} --self-check-at 127.0.0.1:${port}`;
    const { code, stdout, stderr } = await acmectl(line);
    expect(stderr).toContain("standalone takes shop.example.com: it answers for every name");
    expect(stderr).toContain("presenting http-01 for shop.example.com by standalone");
    expect(stdout).toContain("shop.example.com by standalone (http-01): visible");
    expect(code).toBe(0);
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it("solvers test reports what is served instead, and leaves nothing behind", async () => {
    const server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    await mkdir(join(folder.path, "www"));
    const line = `solvers test webroot -d shop.example.com --webroot-directory www --self-check-at 127.0.0.1:${port}`;
    const { code, stdout, stderr } = await acmectl(line);
    server.close();
    expect(stdout).toContain("shop.example.com by webroot (http-01): failed");
    expect(stderr).toContain(`status 404 (at 127.0.0.1:${port})`);
    expect(code).toBe(7);
    expect(await readdir(join(folder.path, "www"))).toEqual([]);
  });

  it("solvers test fails if this machine could not check the response", async () => {
    const port = await freePort();
    await mkdir(join(folder.path, "www"));
    const line = `solvers test webroot -d shop.example.com --webroot-directory www --self-check-at 127.0.0.1:${port} --json`;
    const { code, stdout } = await acmectl(line);
    expect(code).toBe(7);
    expect(JSON.parse(stdout)).toMatchObject({
      outcome: "unseen",
      challenges: [{ name: "shop.example.com", type: "http-01", outcome: "unseen" }],
    });
  });

  it("solvers test fails for a name that has no address to check", async () => {
    const zone = testZone("example.com", ["ns1.example.com"]);
    const dns = await startDnsServer({ zones: [zone], recursive: true });
    await mkdir(join(folder.path, "www"));
    const line = `solvers test webroot -d shop.example.com --webroot-directory www --dns-resolvers ${dns.server}`;
    const { code, stdout, stderr } = await acmectl(line);
    await dns.close();
    expect(stdout).toContain(
      "shop.example.com by webroot (http-01): presented, but this machine could not check it (shop.example.com has no A or AAAA record)",
    );
    expect(stderr).not.toContain("asking it all the same");
    expect(code).toBe(7);
  });

  it("solvers test reports a failed preflight before it presents anything", async () => {
    const { code, stderr } = await acmectl(
      "solvers test webroot -d shop.example.com --webroot-directory nowhere",
    );
    expect(code).toBe(3);
    expect(stderr).toContain(`The webroot ${join(folder.path, "nowhere")} does not exist.`);
  });

  it("solvers test explains which solver of the config takes which name", async () => {
    const port = await freePort();
    for (const name of ["one", "two"]) await mkdir(join(folder.path, name));
    await put(
      "config.yaml",
      `solvers:
  shop: { use: webroot, directory: one, select: { names: [shop.example.com] } }
  rest: { use: webroot, directory: two }
`,
    );
    const line = `solvers test -d shop.example.com,www.example.com --config config.yaml --self-check-at 127.0.0.1:${port}`;
    const { stderr, stdout } = await acmectl(line);
    expect(stderr).toContain("shop takes shop.example.com: its names include shop.example.com");
    expect(stderr).toContain(
      "shop does not take www.example.com: its names do not include www.example.com",
    );
    expect(stdout).toContain("shop.example.com by shop (http-01)");
    expect(stdout).toContain("www.example.com by rest (http-01)");
  });

  it("solvers test checks the dns-01 records of a name and its wildcard", async () => {
    const zone = testZone("example.com", ["ns.example.com"]);
    const server = await startDnsServer({ zones: [zone], recursive: true });
    Object.assign(globalThis, { zoneUnderTest: zone.records });
    await put(
      "dns.mjs",
      `export default {
        summary: "writes into the test's zone", challengeTypes: ["dns-01"], options: {},
        create: () => ({
          async present({ recordName: name, recordValue: data }) {
            globalThis.zoneUnderTest.push({ name, type: "TXT", data });
            return null;
          },
          async cleanup({ recordValue }) {
            const at = globalThis.zoneUnderTest.findIndex(({ data }) => data === recordValue);
            if (at !== -1) globalThis.zoneUnderTest.splice(at, 1);
          },
        }),
      };`,
    );
    const where = `--dns-resolvers ${server.server} --no-dns-authoritative`;
    const names = "-d example.com,*.example.com";
    const { code, stdout, stderr } = await acmectl(`solvers test ./dns.mjs ${names} ${where}`);
    await server.close();
    expect(stdout).toContain("example.com by dns (dns-01): visible");
    expect(stdout).toContain("*.example.com by dns (dns-01): visible");
    expect(stderr).toContain("2 DNS records show their values at every server asked");
    expect(code).toBe(0);
    expect(server.asked.filter(({ type }) => type === "TXT").length).toBeGreaterThanOrEqual(2);
    expect(zone.records.filter(({ type }) => type === "TXT")).toEqual([]);
  });

  it("solvers test refuses a wildcard by http-01, and a command line without names", async () => {
    const wildcard = await acmectl("solvers test standalone -d '*.example.com'");
    expect(wildcard.code).toBe(2);
    expect(wildcard.stderr).toContain("a wildcard needs dns-01");
    expect((await acmectl("solvers test standalone")).code).toBe(2);
  });

  it.each([
    ["dns-persist", "dns-persist-01"],
    ["exec --exec-command true --challenge dns-account-01", "dns-account-01"],
  ])("solvers test %s is refused, since its record names an account", async (words, type) => {
    const { code, stderr } = await acmectl(`solvers test ${words} -d example.com`);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining(`acmectl check -d example.com --challenge ${type}`),
    ]);
  });

  it("what solvers test could not clean up is removed by the next run", async () => {
    const marker = join(folder.path, "presented");
    const fs = 'const { rm, writeFile, access } = await import("node:fs/promises");';
    await put(
      "ours.mjs",
      solverSource(
        `${fs} await writeFile(${JSON.stringify(marker)}, challenge.body);`,
        `${fs} if (process.env.OURS_IS_DOWN === "yes") throw new Error("the API is down");
         await rm(${JSON.stringify(marker)}, { force: true });`,
      ),
    );
    const line = `solvers test ./ours.mjs -d shop.example.com --self-check-at 127.0.0.1:${await freePort()}`;
    process.env["OURS_IS_DOWN"] = "yes";
    try {
      const first = await acmectl(line);
      expect(first.stderr).toContain("could not clean up after shop.example.com: the API is down");
      expect(await readdir(folder.path)).toContain("presented");
    } finally {
      delete process.env["OURS_IS_DOWN"];
    }
    const second = await acmectl(line);
    expect(second.stderr).toContain(
      "cleaned up the challenges of an earlier run for shop.example.com",
    );
    expect(await readdir(folder.path)).not.toContain("presented");
    await rm(marker, { force: true });
  });
});
