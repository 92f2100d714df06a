import { X509Certificate } from "node:crypto";
import { mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { run } from "../support/run.ts";
import { startIssuing, type Issuing } from "../support/issuing.ts";
import { available, program } from "../support/servers/catalog.ts";
import { freePort, startProcess } from "../support/servers/process.ts";
import { acmectl } from "../support/spawn.ts";

const name = "deploy.example.test";
const PATH = process.env["PATH"] ?? "";

async function withFolder(issuing: Issuing): Promise<(file: string) => string> {
  const folder = join(issuing.state, "..", "deployed");
  await mkdir(folder);
  return (file) => join(folder, file);
}

describe("a deploy step", () => {
  test("that fails leaves the certificate issued, and is repeated without a request to the CA", async () => {
    await using issuing = await startIssuing();
    const at = await withFolder(issuing);
    const hook = `echo tried >> ${at("log")}; test -e ${at("flag")} && cp $RENEWED_LINEAGE/fullchain.pem ${at("copy.pem")}`;
    const env = { env: { PATH, HOME: issuing.state } };
    const issued = await issuing.issue(["-d", name, "--deploy-hook", hook, "--json"], env);
    expect(issued.code).toBe(9);
    const document = JSON.parse(issued.stdout);
    expect(document.certificates[0]).toMatchObject({ name, outcome: "issued" });
    expect(document.problem).toMatchObject({ code: 9, retryable: true });
    expect(document.problem.detail).toContain("failed with exit code 1");

    let requests = issuing.ca.requests.length;
    const failed = await issuing.run(["deploy", name], env);
    expect(failed.code).toBe(9);
    expect(failed.stderr).toContain(`acmectl deploy ${name}`);
    expect(issuing.ca.requests).toHaveLength(requests);
    const renewed = await issuing.run(["renew", "--no-jitter"], env);
    expect(renewed.code, renewed.stderr).toBe(9);
    // It may ask when the CA wishes the renewal, and no more.
    const kinds = issuing.ca.requests.slice(requests).map(({ kind }) => kind);
    expect(kinds).not.toContain("newOrder");
    requests = issuing.ca.requests.length;
    await writeFile(at("flag"), "");
    const done = await issuing.run(["deploy", name, "--json"], env);
    expect(done.code, done.stderr).toBe(0);
    expect(JSON.parse(done.stdout)).toMatchObject({
      outcome: "deployed",
      certificates: [
        { name, outcome: "deployed", deploy: [{ state: "done", step: `run ${hook}` }] },
      ],
    });
    const again = await issuing.run(["deploy", "--json"], env);
    expect(JSON.parse(again.stdout)).toMatchObject({ outcome: "unchanged" });
    expect(await readFile(at("log"), "utf8")).toBe("tried\n".repeat(4));
    expect(new X509Certificate(await readFile(at("copy.pem"))).subjectAltName).toContain(name);
    expect((await issuing.run(["deploy", "--all"], env)).code).toBe(0);
    expect(await readFile(at("log"), "utf8")).toBe("tried\n".repeat(5));
    expect(issuing.ca.requests).toHaveLength(requests);
  });

  test.each(["SIGKILL", "SIGTERM"] as const)(
    "whose run is ended by %s is done by the next one, and no second certificate is asked for",
    async (signal) => {
      await using issuing = await startIssuing();
      const at = await withFolder(issuing);
      const hook = `echo $$ >> ${at("pids")}; test -e ${at("flag")} || sleep 60; echo done >> ${at("log")}`;
      const first = acmectl(
        [
          "issue",
          ...issuing.words,
          "-d",
          name,
          "--deploy-hook",
          hook,
          "--solver",
          "standalone",
          "--standalone-port",
          `${issuing.httpPort}`,
          "--self-check-at",
          `127.0.0.1:${issuing.httpPort}`,
        ],
        { env: { PATH, HOME: issuing.state } },
      );
      const begun = () => readFile(at("pids"), "utf8").catch(() => "");
      await expect.poll(begun, { timeout: 60_000 }).not.toBe("");
      first.child.kill(signal);
      const ended = await first.ended;
      expect([ended.signal, ended.code]).toEqual(
        signal === "SIGKILL" ? [signal, null] : [null, 143],
      );
      const requests = issuing.ca.requests.length;
      await writeFile(at("flag"), "");
      const next = await issuing.run(["deploy", name], { env: { PATH, HOME: issuing.state } });
      expect(next.code, next.stderr).toBe(0);
      expect(issuing.ca.requests).toHaveLength(requests);
      expect(await readFile(at("log"), "utf8")).toBe("done\n");
      const [pid] = (await begun()).split("\n");
      // SIGKILL leaves no time to end the group of the hook.
      if (signal === "SIGKILL") process.kill(-Number(pid), "SIGKILL");
      else expect(() => process.kill(Number(pid), 0)).toThrow("ESRCH");
    },
  );

  test("by flag copies the files beside the store, with the modes that keys need", async () => {
    await using issuing = await startIssuing();
    const at = await withFolder(issuing);
    const files = ["key", "cert", "chain", "fullchain"];
    const flags = files.flatMap((file) => [`--${file}-file`, at(`${file}.pem`)]);
    const issued = await issuing.issue(["-d", name, ...flags]);
    expect(issued.code, issued.stderr).toBe(0);
    const modes = await Promise.all(
      files.map(async (file) => (await stat(at(`${file}.pem`))).mode),
    );
    expect(modes.map((mode) => (mode & 0o777).toString(8))).toEqual(["600", "644", "644", "644"]);
    const current = join(issuing.state, "certificates", name, "current");
    for (const [file, held] of [
      ["key", "privkey"],
      ["fullchain", "fullchain"],
    ]) {
      expect(await readFile(at(`${file}.pem`), "utf8")).toBe(
        await readFile(join(current, `${held}.pem`), "utf8"),
      );
    }
  });
});

/** A server that reads its certificate from a file, and the step of the config that makes it do so again. */
interface Fixture {
  readonly part: "nginx" | "caddy";
  readonly file: string;
  readonly config: (port: number, control: number, at: (file: string) => string) => string;
  readonly args: (config: string, at: (file: string) => string) => readonly string[];
}

const fixtures: readonly Fixture[] = [
  {
    part: "nginx",
    file: "nginx.conf",
    config: (port, _, at) => `
      pid ${at("nginx.pid")};
      error_log ${at("error.log")};
      events {}
      http {
        access_log off;
        ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((temp) => `${temp}_temp_path ${at(temp)};`).join("\n")}
        server {
          listen 127.0.0.1:${port} ssl;
          ssl_certificate ${at("fullchain.pem")};
          ssl_certificate_key ${at("key.pem")};
          return 204;
        }
      }`,
    args: (config, at) => ["-c", config, "-e", at("error.log"), "-g", "daemon off;"],
  },
  {
    part: "caddy",
    file: "Caddyfile",
    config: (port, control, at) => `{
        admin 127.0.0.1:${control}
        auto_https off
        storage file_system ${at("storage")}
      }
      :${port} {
        bind 127.0.0.1
        tls ${at("fullchain.pem")} ${at("key.pem")}
        respond 204
      }
      `,
    args: (config, at) => ["run", "--config", config, "--pidfile", at("caddy.pid")],
  },
];

describe.each(fixtures)("$part", (fixture) => {
  const { part, args } = fixture;
  test.skipIf(!available(part))(
    "is reloaded for a new certificate and probed, and left alone when its configuration is broken",
    async () => {
      await using issuing = await startIssuing();
      const at = await withFolder(issuing);
      const port = await freePort();
      const config = fixture.config(port, await freePort(), at);
      const [file, settings] = [at(fixture.file), at("config.yaml")];
      const { file: binary, env: libraries } = program(part);
      const env = { PATH: `${join(binary, "..")}:${PATH}`, HOME: issuing.state, ...libraries };
      const steps = [
        { copy: { key: at("key.pem"), fullchain: at("fullchain.pem") } },
        { reload: part, config: file },
        { probe: `127.0.0.1:${port}`, timeout: "10s" },
      ];
      await writeFile(settings, JSON.stringify({ defaults: { deploy: steps } }));
      const issue = (...words: string[]) =>
        issuing.issue(["-d", name, "--config", settings, ...words], { env });

      const before = await issue();
      expect(before.code, "nothing serves it yet").toBe(9);
      expect(before.stderr).toContain("The check of");
      await writeFile(file, config);
      await using server = await startServer(part, args(file, at), at);
      const first = await issuing.run(["deploy"], { env });
      expect(first.code, first.stderr + server.log()).toBe(0);
      const renewed = await issue("--force");
      expect(renewed.code, renewed.stderr + server.log()).toBe(0);
      expect(renewed.stderr).toContain(`probe 127.0.0.1:${port}`);

      await writeFile(file, "broken {");
      const broken = await issue("--force");
      expect(broken.code).toBe(9);
      expect(broken.stderr).toMatch(/The check of \w+ .* failed/);
      await writeFile(file, config);
      const requests = issuing.ca.requests.length;
      expect((await run(["deploy", "--state", issuing.state], { env })).code).toBe(0);
      expect(issuing.ca.requests).toHaveLength(requests);
    },
  );
});

test.skipIf(!available("nginx"))(
  "nginx starts with a temporary certificate, and serves the real one once the CA has issued it",
  async () => {
    await using issuing = await startIssuing();
    const at = await withFolder(issuing);
    const port = await freePort();
    const [nginx] = fixtures;
    const [file, settings] = [at("nginx.conf"), at("config.yaml")];
    const trusted = `ssl_trusted_certificate ${at("chain.pem")};`;
    await writeFile(file, nginx!.config(port, 0, at).replace("return 204;", `${trusted}$&`));
    const { file: binary, env: libraries } = program("nginx");
    const env = { PATH: `${join(binary, "..")}:${PATH}`, HOME: issuing.state, ...libraries };
    const copy = { key: at("key.pem"), fullchain: at("fullchain.pem"), chain: at("chain.pem") };
    const reload = { reload: "nginx", config: file };
    const probe = { probe: `127.0.0.1:${port}`, timeout: "10s" };
    const defaults = { temporary: true, deploy: [{ copy }, reload, probe] };
    await writeFile(settings, JSON.stringify({ defaults }));
    const issue = () => issuing.issue(["-d", name, "--config", settings], { env });

    const down = issuing.ca.faults.add({ on: "newOrder", times: Infinity, do: { status: 503 } });
    const failed = await issue();
    expect(failed.code, failed.stderr).toBe(4);
    await using server = await startServer("nginx", nginx!.args(file, at), at);
    down.remove();
    const issued = await issue();
    expect(issued.code, issued.stderr + server.log()).toBe(0);
    expect(issued.stderr).toContain(`probe 127.0.0.1:${port}`);
  },
);

async function startServer(part: string, args: readonly string[], at: (file: string) => string) {
  const running = await startProcess({
    program: part,
    args,
    cwd: at("."),
    env: { HOME: at("."), XDG_CONFIG_HOME: at("."), XDG_DATA_HOME: at(".") },
    ready: async () => (await stat(at(`${part}.pid`))).size > 0,
  });
  return { log: running.log, [Symbol.asyncDispose]: () => running.close() };
}
