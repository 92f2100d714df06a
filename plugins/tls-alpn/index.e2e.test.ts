/** HAProxy, nginx and sslh on port 443 serve the site and pass acme-tls/1 on, with the configurations of the README. */
import { readFile, writeFile } from "node:fs/promises";
import { createServer, request } from "node:https";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../test/support/run.ts";
import { available, find, type PartName } from "../../test/support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../../test/support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../../test/support/servers/pebble.ts";
import { freePort, startProcess } from "../../test/support/servers/process.ts";
import { makeTls } from "../../test/support/servers/tls.ts";
import { temporaryFolder } from "../../test/support/state.ts";

/** Ports and files of a test, in place of those of the README. */
interface Places {
  readonly public: number;
  readonly acmectl: number;
  readonly site: number;
  readonly at: (file: string) => string;
}

interface Front {
  readonly part: PartName;
  readonly program: string;
  readonly config: (readme: string, places: Places) => string;
  readonly args: (config: string, places: Places) => readonly string[];
  /** True if another server has the site. */
  readonly isBefore?: true;
}

const fronts: readonly Front[] = [
  {
    part: "haproxy",
    program: "haproxy",
    config: (readme, { public: port, acmectl, at }) =>
      `defaults
  timeout connect 5s
  timeout client 30s
  timeout server 30s
${exchanged(readme, [
  ["bind :::443 v4v6", `bind 127.0.0.1:${port}`],
  ["127.0.0.1:8443", `127.0.0.1:${acmectl}`],
  ["/run/haproxy/site.sock", at("site.sock")],
  ["/etc/haproxy/site.pem", at("site.pem")],
])}`,
    args: (config) => ["-db", "-f", config],
  },
  {
    part: "nginx-stream",
    program: "nginx",
    config: (readme, { public: port, acmectl, site, at }) =>
      `load_module ${find("nginx/modules/ngx_stream_module.so")};
pid ${at("nginx.pid")};
events {}
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((temp) => `${temp}_temp_path ${at(temp)};`).join("\n  ")}
  server {
    listen 127.0.0.1:${site} ssl;
    ssl_certificate ${at("site.pem")};
    ssl_certificate_key ${at("site.pem")};
    return 200 "the site";
  }
}
${exchanged(readme, [
  ["listen 443;", `listen 127.0.0.1:${port};`],
  ["listen [::]:443;", ""],
  ["127.0.0.1:8443", `127.0.0.1:${acmectl}`],
  ["127.0.0.1:4443", `127.0.0.1:${site}`],
])}`,
    args: (config, { at }) => ["-c", config, "-e", at("error.log"), "-g", "daemon off;"],
  },
  {
    part: "sslh",
    program: "sslh",
    isBefore: true,
    config: (readme, { public: port, acmectl, site }) =>
      `foreground: true;
${exchanged(readme, [
  ['{ host: "0.0.0.0"; port: "443"; },', ""],
  ['{ host: "::"; port: "443"; }', `{ host: "127.0.0.1"; port: "${port}"; }`],
  ["8443", String(acmectl)],
  ["4443", String(site)],
])}`,
    args: (config) => [`-F${config}`],
  },
];

function exchanged(text: string, pairs: readonly (readonly [string, string])[]): string {
  return pairs.reduce((changed, [from, to]) => {
    if (!changed.includes(from)) throw new Error(`the README's configuration has no ${from}`);
    return changed.replaceAll(from, to);
  }, text);
}

async function snippet(name: string): Promise<string> {
  const readme = await readFile(new URL("README.md", import.meta.url), "utf8");
  const [, text = ""] =
    new RegExp(`<!-- ${name} -->\\s+\`\`\`\\w+\\n(.*?)\`\`\``, "s").exec(readme) ?? [];
  return text;
}

function visit(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const asked = { host: "127.0.0.1", port, agent: false, rejectUnauthorized: false };
  request(asked, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    response.on("end", () => resolve(body));
  })
    .on("error", reject)
    .end();
  return promise;
}

describe.skipIf(!available("pebble"))("tls-alpn-01 on one port with the site", () => {
  let dns: ChallengeDns;
  beforeAll(async () => {
    dns = await startChallengeDns();
  });
  afterAll(() => dns?.close());

  for (const { part, program, config, args, isBefore = false } of fronts) {
    test.skipIf(!available(part))(
      `${program} serves the site and passes acme-tls/1 to acmectl, with Pebble validating a name and an address`,
      async () => {
        await using folder = await temporaryFolder();
        const at = (file: string) => join(folder.path, file);
        const [port, acmectl, site] = [await freePort(), await freePort(), await freePort()];
        const places = { public: port, acmectl, site, at };
        const { certificatePem, keyPem } = await makeTls(folder.path);
        await writeFile(at("site.pem"), `${certificatePem}\n${keyPem}`);
        await writeFile(at("config"), config(await snippet(program), places));
        const behind = createServer({ cert: certificatePem, key: keyPem }, (_, response) =>
          response.end("the site"),
        );
        if (isBefore) behind.listen(site, "127.0.0.1");
        const front = await startProcess({
          program,
          args: args(at("config"), places),
          ready: async () => (await visit(port)) === "the site",
        });
        let pebble: Pebble | undefined;
        try {
          pebble = await startPebble({ dnsServer: dns.dnsServer, tlsPort: port });
          const done = new AbortController();
          const visits = visitUntil(port, done.signal);
          const ca = ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile];
          const words = [
            ...["issue", "-d", "www.example.test,127.0.0.1", "--tls-alpn", "--agree-tos"],
            ...["--tls-alpn-address", "127.0.0.1", "--tls-alpn-port", String(acmectl), "-v"],
            ...["--self-check-at", `127.0.0.1:${port}`, ...ca, "--state", at("state")],
          ];
          const issued = await run(words, { env: { HOME: folder.path } });
          done.abort();
          expect(issued.stderr).toContain("answering a validation request for www.example.test");
          expect(issued, issued.stderr).toMatchObject({ code: 0 });
          const seen = await visits;
          expect(seen.length).toBeGreaterThan(3);
          expect(new Set(seen)).toEqual(new Set(["the site"]));
        } finally {
          await pebble?.close();
          await front.close();
          behind.close();
        }
      },
    );
  }
});

/** What visitors of the site got in the meantime. */
async function visitUntil(port: number, signal: AbortSignal): Promise<readonly string[]> {
  const seen: string[] = [];
  while (!signal.aborted) {
    seen.push(await visit(port).catch(String));
    await sleep(50);
  }
  return seen;
}
