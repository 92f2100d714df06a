import { runHint } from "../support/shell.ts";
import { Ajv2020 } from "ajv/dist/2020.js";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { configSchema } from "../../src/config/schema.ts";
import { builtInOptions } from "../../src/solvers/options.ts";
import { starter } from "../../src/config/starter.ts";
import { run } from "../support/run.ts";

let home: string;
let path: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "config-"));
  path = join(home, ".config/acmectl/config.yaml");
});
afterEach(() => {
  rmSync(home, { recursive: true });
});

/** From an empty home, as a user without privileges. */
async function config(line: string, env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await run(`config ${line}`, {
    cwd: home,
    env: { HOME: home, ...env },
  });
  const relative = (text: string) => text.replaceAll(home, "~");
  return { code, stdout: relative(stdout), stderr: relative(stderr) };
}

describe("acmectl config", () => {
  test("config init, set, get and validate create, change, print and check a file", async () => {
    expect(await config("path")).toEqual({
      code: 0,
      stdout: "~/.config/acmectl/config.yaml\n",
      stderr: "",
    });
    expect(await config("validate")).toMatchObject({ code: 2, stdout: "" });
    expect(await config("init")).toMatchObject({ code: 0, stderr: "" });
    expect((await config("init")).stderr).toContain(
      "config.yaml exists already and was not changed.",
    );
    expect((await config("validate")).stdout).toBe(
      "~/.config/acmectl/config.yaml is valid (issuers: 0, solvers: 0, certificates: 0).\n",
    );
    for (const change of [
      "issuers.le.server letsencrypt",
      "issuers.le.agreeTos true",
      "solvers.web.use webroot",
      "solvers.web.directory /var/www/html",
      `certificates.shop.domains '[shop.example.com, "*.example.com"]'`,
      "certificates.shop.issuer le",
    ]) {
      expect(await config(`set ${change}`)).toMatchObject({ code: 0, stderr: "" });
    }
    expect((await config("validate")).stdout).toContain(
      "(issuers: 1, solvers: 1, certificates: 1)",
    );
    const text = readFileSync(path, "utf8");
    expect(text.startsWith(starter)).toBe(true);
    expect(text.slice(starter.length)).toBe(
      [
        "issuers:",
        "  le:",
        "    server: letsencrypt",
        "    agreeTos: true",
        "solvers:",
        "  web:",
        "    use: webroot",
        "    directory: /var/www/html",
        "certificates:",
        "  shop:",
        '    domains: [shop.example.com, "*.example.com"]',
        "    issuer: le",
        "",
      ].join("\n"),
    );
    expect(statSync(path).mode & 0o777).toBe(0o600);
  });

  test("config get prints text as it is, other values as YAML, and everything as JSON with --json", async () => {
    await config("set issuers.le.server letsencrypt");
    await config("set certificates.shop.domains [a.example,b.example]");
    expect((await config("get issuers.le.server")).stdout).toBe("letsencrypt\n");
    expect((await config("get certificates")).stdout).toBe(
      "shop:\n  domains:\n    - a.example\n    - b.example\n",
    );
    expect(JSON.parse((await config("get certificates.shop.domains --json")).stdout)).toEqual({
      command: "config get",
      outcome: "found",
      path: "~/.config/acmectl/config.yaml",
      key: "certificates.shop.domains",
      value: ["a.example", "b.example"],
    });
    const absent = await config("get issuers.le.email");
    expect(absent).toMatchObject({ code: 2, stdout: "" });
    expect(absent.stderr).toContain(
      "issuers.le.email is not set in ~/.config/acmectl/config.yaml.",
    );
  });

  test("config commands use the file that --config or ACMECTL_CONFIG names", async () => {
    writeFileSync(join(home, "a.yaml"), "dns: { timeout: 5m }\n");
    expect((await config("get dns.timeout --config a.yaml")).stdout).toBe("5m\n");
    expect((await config("get dns.timeout", { ACMECTL_CONFIG: "a.yaml" })).stdout).toBe("5m\n");
    expect((await config("path --config a.yaml")).stdout).toBe("~/a.yaml\n");
    const { code, stderr } = await config("validate --config b.yaml");
    expect(code).toBe(2);
    expect(stderr).toContain("The config file ~/b.yaml does not exist.");
  });

  test("config set warns of a secret in the file, and no config command prints it", async () => {
    await config("set solvers.dns.use cloudflare");
    const { code, stdout, stderr } = await config("set solvers.dns.apiToken hunter2hunter2");
    expect(code).toBe(0);
    expect(stderr).toContain(
      "Warning: ~/.config/acmectl/config.yaml now contains the secret solvers.dns.apiToken itself",
    );
    const shown = await Promise.all(
      [
        "get solvers",
        "get solvers.dns",
        "get solvers.dns.apiToken",
        "get solvers --json",
        "validate -v",
      ].map(async (line) => JSON.stringify(await config(line))),
    );
    expect(stdout + stderr + shown.join("")).not.toContain("hunter2");
    expect(shown[2]).toContain("***");
    await config("set solvers.dns.apiToken env:CF_TOKEN");
    expect((await config("get solvers.dns.apiToken")).stdout).toBe("env:CF_TOKEN\n");
  });

  test("config get hides what looks like a secret if the plugin cannot be loaded", async () => {
    writeFileSync(
      join(home, "a.yaml"),
      "solvers: { x: { use: nosuch, apiToken: hunter2, zone: example.com } }\n",
    );
    expect((await config("get solvers.x --config a.yaml")).stdout).toBe(
      'use: nosuch\napiToken: "***"\nzone: example.com\n',
    );
  });

  test("config validate checks the options of a solver that is a file beside the config", async () => {
    writeFileSync(
      join(home, "lab.mjs"),
      `export default {
        summary: "For the lab", challengeTypes: ["dns-01"],
        options: { server: { type: "string", description: "Where." } },
        create: () => ({ present: async () => null, cleanup: async () => {} }),
      };\n`,
    );
    writeFileSync(join(home, "a.yaml"), "solvers: { lab: { use: ./lab.mjs, servr: ns1 } }\n");
    const { code, stderr } = await config("validate --config a.yaml");
    expect(code).toBe(2);
    expect(stderr).toContain(
      '~/a.yaml:1:35: "servr" is not an option of solvers.lab. Did you mean "server"?',
    );
  });

  test("config validate reports each unknown CA and wrong name with its place", async () => {
    writeFileSync(
      join(home, "a.yaml"),
      [
        "issuers: { x: { server: letsencript }, own: { server: local } }",
        "defaults: { issuer: own }",
        'certificates: { shop: { domains: [a.example, a..b, "*.*.x"], selfCheckAt: here } }',
      ].join("\n"),
    );
    const { code, stderr } = await config("validate --config a.yaml");
    expect(code).toBe(2);
    expect(stderr).toContain("~/a.yaml has 4 mistakes.");
    expect(stderr).toContain('~/a.yaml:1:17: issuers.x.server: "letsencript" is neither');
    expect(stderr).toContain('~/a.yaml:3:46: certificates.shop.domains: "a..b": it has an empty');
    expect(stderr).toContain('~/a.yaml:3:52: certificates.shop.domains: "*.*.x": a wildcard');
    expect(stderr).toContain(
      '~/a.yaml:3:62: certificates.shop.selfCheckAt: --self-check-at: "here"',
    );
    const set = await config("set issuers.x.server http://ca.example/directory");
    expect(set.code).toBe(2);
    expect(set.stderr).toContain(
      "issuers.x.server: http://ca.example/directory: ACME requires https",
    );
  });

  test("config validate warns when other users may write the config file", async () => {
    await config("init");
    chmodSync(path, 0o666);
    const warned = await config("validate");
    expect(warned).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(
        "Warning: Other users can write ~/.config/acmectl/config.yaml",
      ),
    });
    runHint(warned.stderr.replace(/.*(chmod 600) ~/s, `$1 ${home}`));
    expect((await config("validate")).stderr).toBe("");
  });
});

test("advice to change modes is for files and folders, not for devices", async () => {
  for (const words of ["config validate --config /dev/null", "list --state /dev/null"])
    expect((await run(words, { env: { HOME: home } })).stderr).not.toContain("chmod");
});

test("config set says what would be wrong with the file", async () => {
  await config("init");
  const { code, stderr } = await config("set certificates.shop.keyType ec512");
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /^Nothing was written: ~\/\.config\/acmectl\/config\.yaml would be wrong: certificates\.shop\.keyType is /,
  );
});

test.each(["letsencrypt", "local"])(
  "config validate and plan report a wildcard that no solver can prove to %s",
  async (server) => {
    await config("init");
    writeFileSync(
      path,
      `issuers: { ca: { server: ${server} } }
solvers: { web: { use: standalone } }
certificates: { w: { domains: ["*.w.example"], issuer: ca } }
`,
    );
    const missing = "certificates.w: none of its solvers can answer for *.w.example.";
    expect((await config("validate")).stdout).toContain(missing);
    expect((await run("plan", { env: { HOME: home } })).stdout).toContain(missing);
  },
);

test("config validate reports what would stop the next run", async () => {
  await config("init");
  writeFileSync(
    path,
    `issuers: { le: { server: letsencrypt, eabKid: k, eabHmac: "file:/nowhere/hmac" } }
solvers:
  cf: { use: cloudflare, apiToken: "file:/nowhere/token" }
  bare: { use: cloudflare, select: { zones: [b.example] } }
  web: { use: webroot, directory: /nowhere/www, select: { zones: [w.example] } }
certificates:
  a:
    domains: [a.example]
    pre: echo x >> y
    post: { run: "echo x >> y", shell: true }
    files: { key: /nowhere/tls/key.pem }
    deploy:
      - copy: { key: /nowhere/one/key.pem }
      - copy: { key: /nowhere/two/key.pem }
      - pkcs12: { path: /tmp/x.p12, password: "file:/nowhere/password" }
  b: { domains: ["*.w.example"], solvers: [web], files: { cert: /tmp/x.p12 } }
`,
  );
  const { code, stdout } = await config("validate --json");
  expect(code).toBe(0);
  const { warnings } = JSON.parse(stdout) as { warnings: string[] };
  expect(warnings).toEqual([
    "/tmp/x.p12 is written with several certificates: a, b.",
    "issuers.le.eabHmac: cannot read /nowhere/hmac: no such file or directory.",
    "solvers.cf.apiToken: cannot read /nowhere/token: no such file or directory.",
    expect.stringMatching(/^solvers\.bare is not ready: .*no credentials/i),
    "solvers.web: the folder /nowhere/www does not exist.",
    "certificates.a.pre.0: `>>` needs a shell, and the command runs without one; add `shell: true`.",
    "certificates.a: the folder /nowhere/tls does not exist.",
    "certificates.a: the folder /nowhere/one does not exist.",
    "certificates.a: the folder /nowhere/two does not exist.",
    "certificates.a.deploy.password: cannot read /nowhere/password: no such file or directory.",
    "certificates.b: none of its solvers can answer for *.w.example.",
  ]);
  writeFileSync(path, "certificates: { a: { domains: [a.example] } }\n");
  expect((await config("validate")).stdout).toContain("certificates.a has no solver");
});

describe("the starter file", () => {
  test("the starter file is valid as it is, and with every example uncommented", async () => {
    await config("init");
    writeFileSync(path, starter.replaceAll(/^#(?!#)/gmu, ""));
    expect((await config("validate")).stdout).toContain(
      "is valid (issuers: 2, solvers: 2, certificates: 1, notify: 2)",
    );
  });
});

describe("the config's JSON Schema", () => {
  let compiled: ReturnType<Ajv2020["compile"]> | undefined;
  const ajv = new Ajv2020({
    allErrors: true,
    strict: true,
    strictTypes: false,
    strictRequired: false,
    validateFormats: false,
  });

  test("the JSON Schema in the package is what `config schema` prints", async () => {
    const { stdout } = await config("schema");
    const file = new URL("../../schema/config.schema.json", import.meta.url);
    expect(
      JSON.parse(readFileSync(file, "utf8")),
      "acmectl config schema > schema/config.schema.json",
    ).toEqual(JSON.parse(stdout));
  });

  test.each([
    [true, starter.replaceAll(/^#(?!#)/gmu, "")],
    [true, "issuers:\ncertificates:\n"],
    [
      true,
      "solvers: { cf: { use: cloudflare, apiToken: env:CF, select: { zones: [example.com] } } }",
    ],
    [true, "solvers: { own: { use: ./own.ts, anything: goes } }"],
    [true, "defaults: { deploy: systemctl reload nginx, post: [{ run: [a, b], timeout: 1m }] }"],
    [false, "isuers: {}"],
    [false, "issuers: { le: {} }"],
    [false, "issuers: { le: { server: x, emial: y } }"],
    [false, "issuers: { le: { server: x, eabHmac: literal } }"],
    [false, "solvers: { cf: { use: cloudflare, apiTokn: env:CF } }"],
    [false, "solvers: { cf: { apiToken: env:CF } }"],
    [false, "defaults: { keyType: ec512 }"],
    [false, "defaults: { deploy: [{ timeout: 1m }] }"],
    [false, "dns: { timeout: soon }"],
    [false, "certificates: { ../a: { domains: [a.example] } }"],
  ])("the JSON Schema answers %j for %j", async (expected, text) => {
    compiled ??= ajv.compile(configSchema(await builtInOptions(home)));
    expect(compiled(parse(text))).toBe(expected);
  });
});
