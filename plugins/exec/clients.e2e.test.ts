/**
 * Scripts written for other clients are called by acmectl exactly as by the client itself, and scripts answer http-01 and
 * tls-alpn-01.
 */
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { run } from "../../test/support/run.ts";
import { available, program } from "../../test/support/servers/catalog.ts";
import { startChallengeDns, type ChallengeDns } from "../../test/support/servers/challtestsrv.ts";
import { startPebble, type Pebble } from "../../test/support/servers/pebble.ts";
import { freePort } from "../../test/support/servers/process.ts";
import { temporaryFolder } from "../../test/support/state.ts";

const fixture = (name: string) => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));
/** `curl`, `nsupdate` and `rndc` write down how they are called. */
const path = `${fixture("bin")}:${process.env["PATH"]}`;
const names = ["*.example.test", "www.example.test", "api.example.test"];

describe.skipIf(!available("pebble"))("a script", () => {
  let dns: ChallengeDns;
  let pebble: Pebble;
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  beforeAll(async () => {
    folder = await temporaryFolder();
    dns = await startChallengeDns();
    const env = { PEBBLE_AUTHZREUSE: "0", PEBBLE_VA_ALWAYS_VALID: "1", PEBBLE_VA_NOSLEEP: "1" };
    pebble = await startPebble({ dnsServer: dns.dnsServer, env });
  });
  afterAll(async () => {
    await pebble?.close();
    await dns?.close();
    await folder?.[Symbol.asyncDispose]();
  });
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  let runs = 0;
  async function traceFolder(): Promise<string> {
    const trace = join(folder.path, `trace-${(runs += 1)}`);
    await mkdir(trace);
    return trace;
  }

  /**
   * What the script did, call by call, with placeholders for values. Sorted, since a CA gives authorizations in any order; the
   * counts of remaining challenges, which depend on it, come separately and unsorted. The first name depends on it too.
   */
  async function callsIn(trace: string): Promise<{ calls: string[]; remaining: string[] }> {
    const text = await readFile(join(trace, "calls"), "utf8");
    const remaining = /CERTBOT_REMAINING_CHALLENGES\W+(\d)/g;
    const calls = text
      .replaceAll(/[\w-]{43}/g, "VALUE")
      .replaceAll(/id-\d+/g, "ID")
      .replaceAll(/CERTBOT_ALL_(\w+\W+)[\w.,]*example[\w.,]*/g, "CERTBOT_ALL_$1NAMES")
      .replaceAll(/challenges for \S+/g, "challenges for FIRST")
      .replaceAll(remaining, "REMAINING")
      .trim()
      .split(/\n(?! )/);
    return {
      calls: calls.toSorted(),
      remaining: [...text.matchAll(remaining)].map(([, count = ""]) => count),
    };
  }

  async function byClient(name: string, args: readonly string[], env: Record<string, string>) {
    const trace = await traceFolder();
    const { file, env: needed } = program(name);
    const home = { HOME: folder.path, PATH: path, TRACE: trace };
    await promisify(execFile)(file, [...args], { env: { ...needed, ...home, ...env } });
    return callsIn(trace);
  }

  async function byAcmectl(words: readonly string[], domains = names) {
    const trace = await traceFolder();
    vi.stubEnv("PATH", path);
    vi.stubEnv("TRACE", trace);
    const ca = ["--server", pebble.directoryUrl, "--ca-bundle", pebble.rootFile, "--agree-tos"];
    const look = ["--dns-wait", "0s", "--dns-cname", "none", "--dns-resolvers", dns.dnsServer];
    const state = ["-m", "ops@example.test", "--state", join(trace, "state")];
    const issue = ["issue", "-d", domains.join(","), "--solver", "exec", ...words];
    const { code, stderr } = await run([...issue, ...ca, ...look, ...state], {
      env: { HOME: folder.path },
    });
    expect(stderr).not.toContain("Error");
    expect(code).toBe(0);
    return callsIn(trace);
  }

  describe.skipIf(!available("certbot"))("written for certbot", () => {
    test.each([
      ["api-auth.sh", "api-cleanup.sh", "dns-01"],
      ["output-auth.sh", "output-cleanup.sh", "dns-01"],
      ["zonefile-auth.sh", "zonefile-cleanup.sh", "dns-01"],
      ["hook.py", "hook.py", "dns-01"],
      ["api-auth.sh", "api-cleanup.sh", "http-01"],
    ])("%s does the same with the exec solver (%s, %s)", async (auth, cleanup, type) => {
      const domains = type === "dns-01" ? names : names.slice(1);
      const [authHook, cleanupHook] = [auth, cleanup].map((name) => fixture(`certbot/${name}`));
      const own = join(folder.path, `certbot-${(runs += 1)}`);
      const hooks = [
        "--manual-auth-hook",
        `${authHook}`,
        "--manual-cleanup-hook",
        `${cleanupHook}`,
      ];
      const theirs = await byClient(
        "certbot",
        [
          ["certonly", "-n", "--agree-tos", "-m", "ops@example.test", "--manual", ...hooks],
          ["--preferred-challenges", type, "--server", pebble.directoryUrl],
          ["-d", domains.join(",")],
          ["--config-dir", own, "--work-dir", `${own}/work`, "--logs-dir", `${own}/logs`],
        ].flat(),
        { REQUESTS_CA_BUNDLE: pebble.rootFile, TRACE_VARIABLES: "CERTBOT_" },
      );
      vi.stubEnv("TRACE_VARIABLES", "CERTBOT_");
      const style = ["--exec-style", "certbot", "--exec-shell"];
      const by = ["--challenge", type, "--no-self-check"];
      const commands = [`--exec-command=${authHook}`, `--exec-cleanup-command=${cleanupHook}`];
      expect(await byAcmectl([...style, ...commands, ...by], domains)).toEqual(theirs);
    });
  });

  describe.skipIf(!available("lego"))("written for lego", () => {
    test.each([
      ["nsupdate.sh", undefined],
      ["api.sh", undefined],
      ["raw.sh", "RAW"],
    ])("%s does the same with the exec solver", async (name, mode) => {
      const script = fixture(`lego/${name}`);
      const own = join(folder.path, `lego-${(runs += 1)}`);
      const theirs = await byClient(
        "lego",
        [
          ["--path", own, "--server", pebble.directoryUrl, "--email", "ops@example.test"],
          ["--accept-tos", "--dns", "exec", "--dns.disable-cp", "--dns.resolvers", dns.dnsServer],
          names.flatMap((domain) => ["--domains", domain]),
          ["run"],
        ].flat(),
        {
          LEGO_CA_CERTIFICATES: pebble.rootFile,
          LEGO_DISABLE_CNAME_SUPPORT: "true",
          EXEC_PATH: script,
          EXEC_SEQUENCE_INTERVAL: "0",
          ...(mode === undefined ? {} : { EXEC_MODE: mode }),
        },
      );
      const style = mode === undefined ? "lego" : "lego-raw";
      const ours = await byAcmectl(["--exec-style", style, `--exec-command=${script}`]);
      expect(ours).toEqual(theirs);
    });
  });

  test("written for dehydrated gets its documented arguments", async () => {
    const script = fixture("dehydrated/hook.sh");
    const { calls } = await byAcmectl(["--exec-style", "dehydrated", `--exec-command=${script}`]);
    const expected = ["add", "delete"].flatMap((action) =>
      ["example.test", "www.example.test", "api.example.test"].map((name) =>
        [
          "nsupdate ",
          "  server 127.0.0.1",
          `  update ${action} _acme-challenge.${name}${action === "add" ? " 300" : ""} TXT "VALUE"`,
          "  send",
        ].join("\n"),
      ),
    );
    expect(calls).toEqual(expected.toSorted());
  });

  test("of acme.sh's dnsapi finds its functions, variables and zone", async () => {
    const { calls } = await byAcmectl([
      "--exec-style=acme.sh",
      `--exec-acme-sh=${fixture("acme.sh/acme.sh")}`,
      "--exec-command=dns_example",
      "--exec-env=Example_Token=an-example-token",
      `--exec-env=LE_WORKING_DIR=${folder.path}`,
    ]);
    const request = /(https:\S+)>\n {2}<--data>\n {2}<(\S+)>/;
    const sent = calls.flatMap((call) => request.exec(call)?.slice(1).join(" ") ?? []);
    const zone = "https://api.example.com/v1/example.test";
    const hosts = ["_acme-challenge", "_acme-challenge.api", "_acme-challenge.www"];
    expect(sent.toSorted()).toEqual(
      [
        ...hosts.map((host) => `${zone} name=${host}&value=VALUE`),
        ...hosts.map((host) => `${zone}/${host} value=VALUE`),
      ].toSorted(),
    );
    const saved = await readFile(join(folder.path, "account.conf"), "utf8");
    expect(saved).toContain("SAVED_Example_Token='an-example-token'");
  });

  test("answers http-01 with a file and tls-alpn-01 with a server, and Pebble issues for both names", async () => {
    const at = (name: string) => join(folder.path, name);
    const [httpPort, tlsPort] = [await freePort(), await freePort()];
    await mkdir(at("web/.well-known/acme-challenge"), { recursive: true });
    const web = createServer((request, response) => {
      const file = at(`web${request.url}`);
      void readFile(file).then(
        (text) => response.end(text),
        () => response.writeHead(404).end(),
      );
    });
    web.listen(httpPort, "127.0.0.1");
    const script = async (name: string, lines: readonly string[]) => {
      await writeFile(at(name), ["#!/bin/sh -e", ...lines].join("\n"), { mode: 0o755 });
      return at(name);
    };
    const file = await script("file", [
      `if [ "$1" = present ]; then printf %s "$3" > "${at("web")}$2"; else rm -f "${at("web")}$2"; fi`,
    ]);
    const server = await script("server", [
      `cd ${folder.path}`,
      'if [ "$1" = cleanup ]; then kill "$(cat pid)"; exit; fi',
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.pem \\",
      '  -subj / -addext "subjectAltName=DNS:$2" -addext "1.3.6.1.5.5.7.1.31=critical,DER:0420$3"',
      `openssl s_server -www -accept 127.0.0.1:${tlsPort} -alpn acme-tls/1 -cert tls.pem -key tls.key \\`,
      "  >log 2>&1 </dev/null & echo $! > pid",
      "until grep -q ACCEPT log; do sleep 0.1; done",
    ]);
    const use = { use: "exec", style: "template" };
    const solvers = {
      file: {
        ...use,
        challenge: "http-01",
        command: [file, "{action}", "{path}", "{value}"],
        select: { names: ["web.example.test"] },
      },
      server: {
        ...use,
        challenge: "tls-alpn-01",
        command: [server, "{action}", "{domain}", "{value}"],
        select: { names: ["tls.example.test"] },
      },
    };
    await writeFile(at("config.yaml"), JSON.stringify({ solvers }));
    const validating = await startPebble({ dnsServer: dns.dnsServer, httpPort, tlsPort });
    try {
      const ca = ["--server", validating.directoryUrl, "--ca-bundle", validating.rootFile];
      const issue = ["issue", "-d", "web.example.test,tls.example.test", "--no-self-check"];
      const where = ["--state", at("answering"), "--config", at("config.yaml"), "--agree-tos"];
      const { code, stderr } = await run([...issue, ...ca, ...where], {
        env: { HOME: folder.path },
      });
      expect(code, stderr).toBe(0);
    } finally {
      await validating.close();
      web.close();
    }
    const leaf = await readFile(at("answering/certificates/web.example.test/current/cert.pem"));
    const names = new X509Certificate(leaf).subjectAltName?.split(", ").toSorted();
    expect(names).toEqual(["DNS:tls.example.test", "DNS:web.example.test"]);
    expect(await readdir(at("web/.well-known/acme-challenge"))).toEqual([]);
    const pid = Number(await readFile(at("pid"), "utf8"));
    await expect.poll(() => isRunning(pid)).toBe(false);
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
