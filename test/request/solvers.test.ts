import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Context } from "../../src/context.ts";
import { composeConfigured } from "../../src/request/configured.ts";
import { solverSettings } from "../../src/request/solvers.ts";
import type { Config, ConfiguredSolver } from "../../src/config/config.ts";
import { startIssuing } from "../support/issuing.ts";
import { temporaryFolder } from "../support/state.ts";
import { problemOf } from "../issue/world.ts";
import { contextOf } from "../support/context.ts";

const le = { server: "https://acme-v02.api.letsencrypt.org/directory", agreeTos: true };
const path = "/etc/acmectl/config.yaml";

const cf: ConfiguredSolver = {
  use: "cloudflare",
  options: { apiToken: "file:/etc/acmectl/cf-token" },
  select: { zones: ["example.com"] },
};

const configOf = (solvers: Config["solvers"] = {}): Config => ({
  path,
  exists: true,
  issuers: {},
  solvers,
  certificates: {},
  defaults: {},
  dns: {},
  notify: {},
  pull: {},
  state: {},
});

type Flags = Parameters<typeof solverSettings>[0];

const noFlags: Flags = {
  solver: undefined,
  standalone: undefined,
  tlsAlpn: undefined,
  webroot: undefined,
  dns: undefined,
  challenge: undefined,
};

const settings = (
  flags: Partial<Flags>,
  {
    config = configOf(),
    names,
    env = {},
    ...context
  }: Partial<Omit<Context, "config">> & { config?: Config; names?: string[] } = {},
) => solverSettings({ ...noFlags, ...flags }, names, le, config, contextOf({ env, ...context }));

describe("the solvers of a request", () => {
  test("are those of the config when no flag names any, or the ones that its certificate names", async () => {
    const web: ConfiguredSolver = { use: "standalone", options: {} };
    const config = configOf({ cf, web });
    expect((await settings({}, { config })).map(({ name }) => name)).toEqual(["cf", "web"]);
    expect(await settings({}, { config, names: ["web"] })).toEqual([
      { name: "web", use: "standalone", options: {}, from: path },
    ]);
    const problem = await problemOf(settings({}, { config, names: ["wbe"] }));
    expect(problem.message).toBe(`${path} does not define the solver "wbe".`);
    expect(problem.hint).toBe("Use one that it defines: cf, web.");
  });

  test("are those that flags name, whatever else the config has", async () => {
    const config = configOf({ cf, web: { use: "standalone", options: {} } });
    expect((await settings({ standalone: true }, { config })).map(({ name }) => name)).toEqual([
      "standalone",
    ]);
    expect((await settings({ solver: ["cf"] }, { config }))[0]).toEqual({
      name: "cf",
      use: "cloudflare",
      options: cf.options,
      from: path,
    });
  });

  test("may be several, each for its zone or its wildcard", async () => {
    const env = { CF_DNS_API_TOKEN: "t0ken" };
    const asked = ["Example.com=cloudflare", "*.example.org=cf", "standalone"];
    const chosen = await settings({ solver: asked }, { env, config: configOf({ cf }) });
    expect(chosen.map(({ name, use, select }) => ({ name, use, select }))).toEqual([
      { name: "cloudflare", use: "cloudflare", select: { zones: ["example.com"] } },
      { name: "cf", use: "cloudflare", select: { names: ["*.example.org"] } },
      { name: "standalone", use: "standalone", select: undefined },
    ]);
  });

  test("two solvers of the config with one plugin are marked as sharing it", async () => {
    const other = { ...cf, options: { apiToken: "env:OTHER" } };
    const chosen = await settings({}, { config: configOf({ cf, other }) });
    expect(chosen).toMatchObject([{ shared: true }, { shared: true }]);
  });

  test("--standalone, --webroot and --dns choose solvers", async () => {
    const chosen = await settings(
      { webroot: "/var/www", standalone: true, dns: "cloudflare" },
      {
        env: { CF_DNS_API_TOKEN: "t0ken" },
      },
    );
    expect(chosen.map(({ name }) => name)).toEqual(["standalone", "webroot", "cloudflare"]);
    expect(chosen[1]?.options).toMatchObject({ directory: "/var/www" });
  });

  test("the embedded CA defaults to standalone, and every other CA requires a solver", async () => {
    const local = { server: "local", agreeTos: true };
    expect(await solverSettings(noFlags, undefined, local, configOf(), contextOf())).toEqual([
      { name: "standalone", use: "standalone", options: {} },
    ]);
    expect((await problemOf(settings({}))).hint).toContain("acmectl solvers list");
    const forDns = await problemOf(settings({ challenge: "dns-01" }));
    expect(forDns.hint).toMatch(/^Add --solver NAME for DNS;/);
    const forTls = await problemOf(settings({ challenge: "tls-alpn-01" }));
    expect(forTls.hint).toMatch(/^Add --tls-alpn \(.*\), or --solver NAME;/);
    const issuers = { here: { server: "local", agreeTos: true } };
    const certificates = {
      shop: { domains: ["shop.test"], labels: {}, files: {}, dns: {}, state: {} },
    };
    const {
      requests: [shop],
    } = await composeConfigured({ ...configOf(), issuers, certificates });
    expect(shop?.solvers.map(({ use }) => use)).toEqual(["standalone"]);
  });

  test("--challenge is for all solvers of the request, over the config's own", async () => {
    const config = configOf({ own: { use: "exec", challenge: "dns-01", options: {} } });
    expect((await settings({}, { config }))[0]?.challenge).toBe("dns-01");
    expect((await settings({ challenge: "http-01" }, { config }))[0]?.challenge).toBe("http-01");
  });

  test("a request remembers options from variables: values as text, secrets by reference", async () => {
    const env = { CF_DNS_API_TOKEN: "s3cret", ACMECTL_CLOUDFLARE_TTL: "300" };
    const [chosen] = await settings({ solver: ["cloudflare"] }, { env });
    expect(chosen?.options).toEqual({ apiToken: "env:CF_DNS_API_TOKEN", ttl: 300 });
    expect(JSON.stringify(chosen)).not.toContain("s3cret");
  });

  test("a request remembers the file of a secret by its absolute path", async () => {
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    const file = join(folder.path, "token");
    await writeFile(file, "s3cret\n");
    const cwd = folder.path;
    for (const env of [
      { ACMECTL_CLOUDFLARE_API_TOKEN_FILE: "token" },
      { ACMECTL_CLOUDFLARE_API_TOKEN: "file:token" },
      { CF_DNS_API_TOKEN: `file:${file}` },
    ]) {
      const [chosen] = await settings({ solver: ["cloudflare"] }, { env, cwd });
      expect(chosen?.options).toEqual({ apiToken: `file:${file}` });
    }
    const env = { ACMECTL_CLOUDFLARE_API_TOKEN: "cmd:echo s3cret" };
    const [byCommand] = await settings({ solver: ["cloudflare"] }, { env, cwd });
    expect(byCommand?.options).toEqual({ apiToken: "cmd:echo s3cret" });
  });

  test("a request remembers a solver file by its absolute path", async () => {
    const folder = await temporaryFolder();
    onTestFinished(() => folder[Symbol.asyncDispose]());
    await writeFile(
      join(folder.path, "ours.ts"),
      'export default { summary: "ours", challengeTypes: ["http-01"], options: {}, create: () => ({ present: async () => null, cleanup: async () => {} }) };',
    );
    const [chosen] = await settings({ solver: ["./ours.ts"] }, { cwd: folder.path });
    expect(chosen?.use).toBe(join(folder.path, "ours.ts"));
  });

  test("a chosen solver without a required option fails before anything else happens", async () => {
    const problem = await problemOf(settings({ solver: ["digitalocean"] }));
    expect(problem.exitCode).toBe(2);
    expect(`${problem.message} ${problem.hint}`).toContain("DO_AUTH_TOKEN");
  });
});

/** Serves http-01 in a folder, and wants a secret that it compares. */
const ours = `
import { createServer } from "node:http";
export default {
  summary: "ours", challengeTypes: ["http-01"],
  options: {
    password: { type: "string", secret: true, required: true, env: ["OUR_PASSWORD"], description: "The password." },
    greeting: { type: "string", env: ["OUR_GREETING"], description: "A text." },
    port: { type: "port", required: true, env: ["OUR_PORT"], description: "Where." },
  },
  create({ password, greeting, port }) {
    let server;
    return {
      async present({ body }) {
        if (password !== "correct-horse" || greeting !== "hello") throw new Error("wrong: " + greeting);
        server = createServer((_, response) => response.end(body));
        await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
        return { greeting };
      },
      async cleanup() {
        if (server === undefined) return;
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};`;

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe("what is remembered for renew", () => {
  test("a remembered request works in another environment, names a missing variable, and contains no secret", async () => {
    await using issuing = await startIssuing({ authorizationReuse: 0 });
    const file = join(dirname(issuing.state), "solver", "ours.ts");
    await mkdir(dirname(file));
    await writeFile(file, ours);
    const HOME = dirname(issuing.state);
    const secret = { OUR_PASSWORD: "correct-horse" };
    const env = { HOME, ...secret, OUR_GREETING: "hello", OUR_PORT: String(issuing.httpPort) };
    const issued = await issuing.issue(["-d", "a.example.test"], {
      solver: ["--solver", file],
      env,
    });
    expect({ code: issued.code, stderr: issued.stderr }).toMatchObject({ code: 0 });
    // cron has the secret, and nothing of the rest.
    const renewed = await issuing.run(["renew", "--force", "--no-jitter"], {
      env: { HOME, ...secret },
    });
    expect({ code: renewed.code, stderr: renewed.stderr }).toMatchObject({ code: 0 });
    expect(issuing.ca.requests.filter(({ kind }) => kind === "newOrder")).toHaveLength(2);
    const without = await issuing.run(["renew", "--force", "--no-jitter"], { env: { HOME } });
    expect(without.code).toBe(2);
    expect(without.stderr).toContain("OUR_PASSWORD");
    for (const file of await filesBelow(issuing.state))
      expect(await readFile(file, "utf8"), file).not.toContain("correct-horse");
    for (const { stdout, stderr } of [issued, renewed, without])
      expect(stdout + stderr).not.toContain("correct-horse");
  });
});
