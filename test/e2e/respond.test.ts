/** nginx, Apache, HAProxy and Caddy with the configurations of docs/fleet.md and of `solvers show stateless`, and Pebble as the CA. */
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import { run } from "../support/run.ts";
import { available, find, type PartName } from "../support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../support/servers/pebble.ts";
import { freePort, startProcess } from "../support/servers/process.ts";
import { temporaryFolder } from "../support/state.ts";

interface Front {
  readonly part: PartName;
  readonly program: string;
  /** The whole configuration around what the documentation has for the server on port 80. */
  readonly config: (snippet: string, port: number, at: (file: string) => string) => string;
  readonly args: (config: string, at: (file: string) => string) => readonly string[];
}

const apacheModules = ["mpm_event", "authz_core", "rewrite", "proxy", "proxy_http"];

const haproxyDefaults = `defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
backend site
  http-request return status 200 content-type text/plain string "the site"
`;

const fronts: Readonly<Record<string, Front>> = {
  nginx: {
    part: "nginx",
    program: "nginx",
    config: (snippet, port, at) => `pid ${at("nginx.pid")};
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((temp) => `${temp}_temp_path ${at(temp)};`).join("\n  ")}
  server {
    listen 127.0.0.1:${port};
    location / { return 200 "the site"; }
    ${snippet}
  }
}`,
    args: (config, at) => ["-c", config, "-e", at("error.log"), "-g", "daemon off;"],
  },
  apache: {
    part: "apache",
    program: "apache2",
    config: (snippet, port, at) => `ServerRoot ${at(".")}
ServerName localhost
PidFile ${at("apache.pid")}
ErrorLog ${at("error.log")}
DefaultRuntimeDir ${at(".")}
Listen 127.0.0.1:${port}
${apacheModules.map((name) => `LoadModule ${name}_module ${find(`apache2/modules/mod_${name}.so`)}`).join("\n")}
<VirtualHost *:${port}>
${snippet}
</VirtualHost>`,
    args: (config) => ["-X", "-f", config],
  },
  haproxy: {
    part: "haproxy",
    program: "haproxy",
    config: (snippet, port) =>
      snippet.includes("frontend")
        ? `${haproxyDefaults}${snippet.replace("bind :80", `bind 127.0.0.1:${port}`)}`
        : `${haproxyDefaults}frontend http
  bind 127.0.0.1:${port}
  ${snippet}
  default_backend site
`,
    args: (config) => ["-db", "-f", config],
  },
  caddy: {
    part: "caddy",
    program: "caddy",
    config: (snippet, port, at) => {
      const site = snippet.includes("shop.example.com")
        ? snippet.replace("http://shop.example.com", `http://:${port}`)
        : `http://:${port} {\n${snippet}\nhandle {\nrespond "the site"\n}\n}`;
      return `{\nadmin off\nhttp_port ${port}\nstorage file_system ${at("caddy")}\n}\n${site}\n`;
    },
    args: (config) => ["run", "--adapter", "caddyfile", "--config", config],
  },
};

/** What docs/fleet.md has for a web server before `acmectl respond`. */
async function documented(name: string, port: number): Promise<string> {
  const text = await readFile(new URL("../../docs/fleet.md", import.meta.url), "utf8");
  const found = new RegExp(`<!-- respond ${name} -->\\s+\`\`\`\\w+\\n(.*?)\`\`\``, "s").exec(text);
  const snippet = found?.[1] ?? "";
  expect(snippet).toContain("127.0.0.1:8402");
  return snippet.replaceAll("127.0.0.1:8402", `127.0.0.1:${port}`);
}

/** The same before a unix socket, as the sentence below the snippets says. */
async function overSocket(name: string, socket: string): Promise<string> {
  const text = await readFile(new URL("../../docs/fleet.md", import.meta.url), "utf8");
  const title = { nginx: "nginx", apache: "Apache", haproxy: "HAProxy", caddy: "Caddy" }[name];
  const written = new RegExp(`\`([^\`]+)\`\\s\\(${title}\\)`).exec(text)?.[1] ?? "";
  expect(written).toContain("/run/acmectl/http.sock");
  const directives = /^.*127\.0\.0\.1:8402.*$/m;
  const snippet = await documented(name, 8402);
  const line = directives.exec(snippet)?.[0] ?? "";
  const replaced = name === "apache" ? line.replace(/"http:[^"]*"/, () => written) : written;
  return snippet.replace(line, () => replaced).replace("/run/acmectl/http.sock", socket);
}

const interrupted = new Problem("interrupted", { detail: "Stopped by SIGTERM.", exitCode: 143 });

describe.skipIf(!available("pebble"))("any host answers", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  /** Where Pebble looks for http-01. */
  let port: number;
  let words: readonly string[];
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let thumbprint: string;
  const at = (file: string) => join(folder.path, file);

  beforeAll(async () => {
    folder = await temporaryFolder();
    [dns, port] = [await startChallengeDns(), await freePort()];
    pebble = await startPebble({ dnsServer: dns.dnsServer, httpPort: port });
    words = ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile];
    const registered = await acmectl(["account", "register", ...words, "--agree-tos"]);
    expect(registered, registered.stderr).toMatchObject({ code: 0 });
    const shown = await acmectl(["solvers", "show", "stateless", "--json"]);
    thumbprint = JSON.parse(shown.stdout).solver.thumbprint;
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
    await folder?.[Symbol.asyncDispose]();
  });

  const acmectl = (line: readonly string[], signal?: AbortSignal) =>
    run([...line, "--state", at("state")], {
      env: { HOME: folder.path },
      ...(signal === undefined ? {} : { signal }),
    });

  const issue = (name: string, solver: string) =>
    acmectl([
      ...["issue", "-d", name, "--solver", solver, ...words, "-v"],
      ...["--self-check-at", `127.0.0.1:${port}`],
    ]);

  /** `acmectl respond` at this address, until the test ends. */
  async function host(place: string) {
    const stopping = new AbortController();
    const ended = acmectl(["respond", "--http", place], stopping.signal);
    onTestFinished(async () => {
      stopping.abort(interrupted);
      await ended;
    });
    if (place.startsWith("unix:")) return expect.poll(() => existsSync(place.slice(5))).toBe(true);
    const answers = () => fetch(`http://${place}/`).catch(() => undefined);
    return expect.poll(async () => (await answers())?.status).toBe(404);
  }

  async function front({ program, config, args }: Front, snippet: string, listen = port) {
    const file = at(`${program}-${listen}.conf`);
    await writeFile(file, config(snippet, listen, at));
    const started = await startProcess({
      program,
      args: args(file, at),
      ready: async () => {
        const answer = await fetch(`http://127.0.0.1:${listen}/`);
        return answer.status < 500;
      },
    });
    onTestFinished(() => started.close());
  }

  for (const [name, server] of Object.entries(fronts)) {
    test.skipIf(!available(server.part))(
      `${name} passes challenges on to acmectl respond, with the documented configuration`,
      async () => {
        const inner = await freePort();
        await host(`127.0.0.1:${inner}`);
        await front(server, await documented(name, inner));
        const unknown = await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/none`);
        expect(unknown.status).toBe(404);
        const ran = await issue(`${name}.respond.example.test`, "respond");
        expect(ran, ran.stderr).toMatchObject({ code: 0 });
      },
    );

    test.skipIf(!available(server.part))(
      `${name} passes challenges on to a unix socket, with the documented configuration`,
      async () => {
        const socket = at(`${name}.sock`);
        await host(`unix:${socket}`);
        // Its workers are another user's, which the folder of the test is closed to.
        const asRoot = name === "nginx" && process.getuid?.() === 0 ? "user root;\n" : "";
        const config: Front["config"] = (...given) => asRoot + server.config(...given);
        await front({ ...server, config }, await overSocket(name, socket));
        const unknown = await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/none`);
        // acmectl's own 404.
        expect([unknown.status, unknown.headers.get("cache-control")]).toEqual([404, "no-store"]);
      },
    );

    test.skipIf(!available(server.part))(
      `${name} answers any token itself, with the configuration that solvers show stateless prints`,
      async () => {
        const shown = await acmectl(["solvers", "show", "stateless", "--json"]);
        await front(server, JSON.parse(shown.stdout).solver.snippets[name]);
        const path = "/.well-known/acme-challenge/a_token-1";
        const answer = await fetch(`http://127.0.0.1:${port}${path}`);
        expect([answer.status, await answer.text()]).toEqual([200, `a_token-1.${thumbprint}`]);
        const other = await fetch(`http://127.0.0.1:${port}/.well-known/acme-challenge/a%22%3Cb`);
        expect(await other.text()).not.toContain(thumbprint);
        const ran = await issue(`${name}.stateless.example.test`, "stateless");
        expect(ran, ran.stderr).toMatchObject({ code: 0 });
      },
    );
  }

  describe.skipIf(!available("haproxy"))("three hosts behind HAProxy in round robin", () => {
    const addresses = ["127.0.0.11", "127.0.0.12", "127.0.0.13"];
    const balanced = (inner: number) => `${haproxyDefaults}
frontend http
  bind 127.0.0.1:${port}
  default_backend hosts
backend hosts
  balance roundrobin
${addresses.map((address, index) => `  server web${index} ${address}:${inner}`).join("\n")}
`;
    const haproxy = fronts["haproxy"];

    test("get a certificate by respond, ordered by a worker that is none of them", async () => {
      const inner = await freePort();
      for (const address of addresses) await host(`${address}:${inner}`);
      await front({ ...haproxy!, config: () => balanced(inner) }, "");
      const ran = await issue("respond.example.test", "respond");
      expect(ran, ran.stderr).toMatchObject({ code: 0 });
    });

    test.skipIf(!available("nginx"))(
      "get a certificate by stateless, and none while one host is wrong",
      async () => {
        const inner = await freePort();
        const shown = await acmectl(["solvers", "show", "stateless", "--json"]);
        const { nginx: snippet } = JSON.parse(shown.stdout).solver.snippets;
        const nginx = fronts["nginx"]!;
        const web = async (address: string, text: string) => {
          const own = (file: string) => at(`${address}-${file}`);
          const file = own("nginx.conf");
          await writeFile(
            file,
            nginx.config(text, inner, own).replace("listen 127.0.0.1", `listen ${address}`),
          );
          const ready = async () => (await fetch(`http://${address}:${inner}/`)).status === 200;
          return startProcess({ program: "nginx", args: nginx.args(file, own), ready });
        };
        const [first = "", ...others] = addresses;
        for (const address of others) {
          const started = await web(address, snippet);
          onTestFinished(() => started.close());
        }
        const wrong = await web(first, snippet.replace(thumbprint, "of-another-account"));
        await front({ ...haproxy!, config: () => balanced(inner) }, "");
        const names = [1, 2, 3].map((index) => `stateless${index}.example.test`).join(",");
        const refused = await issue(names, "stateless");
        expect([refused.code, refused.stderr]).toEqual([
          7,
          expect.stringContaining("200 with another body"),
        ]);
        await wrong.close();
        const right = await web(first, snippet);
        onTestFinished(() => right.close());
        const ran = await issue(names, "stateless");
        expect(ran, ran.stderr).toMatchObject({ code: 0 });
      },
    );
  });
});
