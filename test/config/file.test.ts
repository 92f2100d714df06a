import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { OptionDeclarations } from "../../src/options/declaration.ts";
import { Problem } from "../../src/problem.ts";
import { emptyConfig } from "../../src/config/assemble.ts";
import { createConfig } from "../../src/config/conf.ts";
import { getConfigValue, loadConfig, setConfigValue } from "../../src/config/file.ts";

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "settings-"));
  path = join(folder, "config.yaml");
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const cloudflare: OptionDeclarations = {
  apiToken: { type: "string", secret: true, required: true, description: "The token." },
  ttl: { type: "integer", min: 60, description: "Seconds." },
};
const solverOptions = async (use: string): Promise<OptionDeclarations> => {
  if (use === "cloudflare") return cloudflare;
  throw new Problem("plugin", { detail: `There is no solver called "${use}".` });
};

const design = `# who and where
issuers:
  letsencrypt: { server: letsencrypt, email: ops@example.com, agreeTos: true }   # the usual
solvers:
  cf:  { use: cloudflare, apiToken: "file:/etc/acmectl/cf-token", select: { zones: [example.com] } }
  lab: { use: ./lab.ts, server: ns1.lab.example, tsigKey: "env:LAB_TSIG", select: { names: ["*.lab.example"] } }
certificates:
  shop:
    domains: [shop.example.com, "*.example.com"]
    issuer: letsencrypt
    labels: { team: shop }
    deploy: [{ run: "systemctl reload nginx" }]
`;

describe("loadConfig", () => {
  test("loadConfig reads a config with every section", async () => {
    writeFileSync(path, design);
    expect(await loadConfig(path)).toEqual({
      path,
      exists: true,
      mistake: expect.any(Function),
      issuers: { letsencrypt: { server: "letsencrypt", email: "ops@example.com", agreeTos: true } },
      solvers: {
        cf: {
          use: "cloudflare",
          select: { zones: ["example.com"] },
          options: { apiToken: "file:/etc/acmectl/cf-token" },
        },
        lab: {
          use: join(folder, "lab.ts"),
          select: { names: ["*.lab.example"] },
          options: { server: "ns1.lab.example", tsigKey: "env:LAB_TSIG" },
        },
      },
      certificates: {
        shop: {
          domains: ["shop.example.com", "*.example.com"],
          issuer: "letsencrypt",
          labels: { team: "shop" },
          deploy: [{ run: "systemctl reload nginx" }],
          files: {},
          dns: {},
        },
      },
      defaults: {},
      dns: {},
      notify: {},
      pull: {},
      state: {},
    });
  });

  test("loadConfig applies issuer, defaults and dns to each certificate", async () => {
    writeFileSync(
      path,
      `issuers:
  le: { server: letsencrypt, profile: shortlived, preferredChain: ISRG Root X1 }
  zero: { server: zerossl, eabHmac: "file:hmac" }
solvers: { web: { use: webroot } }
defaults: { issuer: le, solver: web, keyType: ec384, deploy: reload, reuseKey: true }
dns: { timeout: 5m, resolvers: "192.0.2.53, 192.0.2.54:5353" }
certificates:
  plain: { domains: a.example }
  own:
    domains: [b.example]
    issuer: zero
    requiredProfile: tlsserver
    deploy: [{ run: [systemctl, reload, nginx], timeout: 1m }, systemctl reload haproxy]
    files: { fullchain: tls/full.pem, key: ~/key.pem }
    dns: { timeout: 10m }
    reuseKey: false
`,
    );
    const { certificates, issuers } = await loadConfig(path);
    expect(certificates["plain"]).toEqual({
      domains: ["a.example"],
      issuer: "le",
      solvers: ["web"],
      keyType: "ec384",
      profile: "shortlived",
      preferredChain: "ISRG Root X1",
      reuseKey: true,
      deploy: [{ run: "reload" }],
      labels: {},
      files: {},
      dns: { timeout: 300_000, resolvers: ["192.0.2.53", "192.0.2.54:5353"] },
    });
    expect(certificates["own"]).toMatchObject({
      issuer: "zero",
      requiredProfile: "tlsserver",
      reuseKey: false,
      deploy: [
        { run: ["systemctl", "reload", "nginx"], timeout: 60_000 },
        { run: "systemctl reload haproxy" },
      ],
      files: { fullchain: join(folder, "tls/full.pem") },
      dns: { timeout: 600_000, resolvers: ["192.0.2.53", "192.0.2.54:5353"] },
    });
    expect(certificates["own"]?.profile).toBeUndefined();
    expect(issuers["zero"]?.eabHmac).toBe(`file:${join(folder, "hmac")}`);
  });

  test("loadConfig keeps numbers as they were written, so that an identifier loses no zero", async () => {
    writeFileSync(
      path,
      "issuers:\n  z: { server: zerossl, eabKid: 0012345678901234567890 }\nsolvers:\n  s: { use: x, account: 007 }\n",
    );
    const { issuers, solvers } = await loadConfig(path);
    expect(issuers["z"]?.eabKid).toBe("0012345678901234567890");
    expect(solvers["s"]?.options).toEqual({ account: "007" });
  });

  test("loadConfig reads a file with a byte order mark, CRLF, empty sections, or nothing but comments", async () => {
    for (const text of [
      "\uFEFFissuers:\r\n  le:\r\n    server: letsencrypt\r\n",
      "# only this\n",
      "",
      "issuers:\ncertificates:\n",
    ]) {
      writeFileSync(path, text);
      expect(await loadConfig(path)).toMatchObject({ exists: true, certificates: {} });
    }
  });

  test("a missing config file is read as an empty config", async () => {
    const path = join(tmpdir(), "acmectl-no-such-file.yaml");
    expect(await loadConfig(path)).toEqual(emptyConfig(path));
  });

  test("loadConfig creates neither file nor folder when the config file does not exist", async () => {
    const missing = join(folder, "a/b/config.yaml");
    expect(await loadConfig(missing)).toEqual({
      path: missing,
      exists: false,
      issuers: {},
      solvers: {},
      certificates: {},
      defaults: {},
      dns: {},
      notify: {},
      pull: {},
      state: {},
    });
    await expect(loadConfig(missing, { explicit: true })).rejects.toThrow(
      "config.yaml does not exist",
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("loadConfig does not change the file", async () => {
    writeFileSync(path, design, { mode: 0o644 });
    const before = statSync(path);
    await loadConfig(path);
    expect(readdirSync(folder)).toEqual(["config.yaml"]);
    expect(readFileSync(path, "utf8")).toBe(design);
    expect(statSync(path)).toMatchObject({
      ino: before.ino,
      mode: before.mode,
      mtimeMs: before.mtimeMs,
    });
  });

  test("loadConfig follows a symbolic link, and reports a broken one", async () => {
    writeFileSync(join(folder, "real.yaml"), design);
    symlinkSync("real.yaml", path);
    expect((await loadConfig(path)).exists).toBe(true);
    rmSync(join(folder, "real.yaml"));
    await expect(loadConfig(path)).rejects.toThrow(
      "is a symbolic link to a file that does not exist",
    );
  });

  test("a map in place of a key is reported, and no part of the file is printed as a warning", async () => {
    writeFileSync(path, "dns: {}\n? { apiToken: the-secret }\n: 1\n");
    const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
    onTestFinished(() => warn.mockRestore());
    await expect(loadConfig(path)).rejects.toThrow(":2:3: A key must be a text");
    expect(warn).not.toHaveBeenCalled();
  });

  test("loadConfig reports a path that is a directory", async () => {
    const problem = await failure(loadConfig(folder));
    expect(problem.message).toBe(`The config file ${folder} cannot be read: it is a directory.`);
    expect(problem.exitCode).toBe(3);
  });

  test.each<[string, string, string | RegExp]>([
    [
      "an unknown key",
      "issuers:\n  le:\n    server: x\n    emial: y\n",
      'config.yaml:4:5: "emial" is not an option of issuers.le. Did you mean "email"?\n  4 |     emial: y\n          ^',
    ],
    [
      "an unknown section",
      "certificate: {}\n",
      'config.yaml:1:1: "certificate" is not an option of the file. Did you mean "certificates"?',
    ],
    [
      "another spelling of a key",
      "issuers: { le: { server: x, agree_tos: true } }\n",
      '1:29: "agree_tos" is not an option of issuers.le. Did you mean "agreeTos"?',
    ],
    [
      "a key below a hook",
      "certificates:\n  a:\n    domains: [a.example]\n    deploy:\n      - run: x\n        timout: 1m\n",
      '6:9: "timout" is not an option of certificates.a.deploy.0. Did you mean "timeout"?',
    ],
    [
      "a repeated key",
      "issuers:\n  le: { server: x }\n  le: { server: y }\n",
      "config.yaml:3:3: Map keys must be unique\n  3 |   le: { server: y }\n        ^",
    ],
    [
      "a wildcard without quotes",
      "certificates:\n  a:\n    domains: [a.example, *.a.example]\n",
      "config.yaml:3:26: No anchor has this name\n",
    ],
    [
      "bad indentation",
      "issuers:\n  le:\n    server: x\n   email: y\n",
      /config\.yaml:4:1: .*\n {2}4 \| {4}email: y\n/,
    ],
    ["a list instead of sections", "- a\n", "does not consist of sections"],
    [
      "two documents",
      "issuers: {}\n---\nissuers: {}\n",
      /config\.yaml:2:1: A second YAML document begins here/,
    ],
    ["a tag", "issuers: !include other.yaml\n", /config\.yaml:1:10: Unresolved tag: !include/],
    [
      "an issuer without a server",
      "issuers:\n  le: { email: a@b.example }\n",
      '2:3: issuers.le requires "server"',
    ],
    [
      "a text in place of options",
      "issuers:\n  le: letsencrypt\n",
      "2:3: issuers.le must hold options, as in `{ server: … }`",
    ],
    [
      "a wrong boolean",
      "issuers: { le: { server: x, agreeTos: perhaps } }\n",
      'agreeTos is "perhaps", which is neither true nor false',
    ],
    [
      "a wrong choice",
      "defaults: { keyType: ec512 }\n",
      'defaults.keyType is "ec512", which is not one of the choices: it takes one of ec256',
    ],
    [
      "a wrong duration",
      "dns: { timeout: soon }\n",
      'dns.timeout is "soon", which is not a duration',
    ],
    ["an empty value", "issuers:\n  le:\n    server:\n", "3:5: issuers.le.server is empty"],
    [
      "a hook without a command",
      "defaults: { deploy: [{ timeout: 1m }] }\n",
      "1:22: defaults.deploy.0 has none of run, copy, pkcs12, reload, probe, acme.sh, ssh, docker",
    ],
    [
      "an ssh step that has nothing to do",
      "defaults: { deploy: [{ ssh: { hosts: [web1] } }] }\n",
      "defaults.deploy.0.ssh has nothing to do on its hosts; it takes at least one of fullchain, key, cert, chain, combined, run.",
    ],
    [
      "a host that ssh would read as an option",
      "defaults: { deploy: [{ ssh: { hosts: [-oProxyCommand=x], run: x } }] }\n",
      'defaults.deploy.0.ssh.hosts: "-oProxyCommand=x" is not a host.',
    ],
    [
      "a docker step with two actions",
      "defaults: { deploy: [{ docker: { containers: web, signal: HUP, restart: true } }] }\n",
      "defaults.deploy.0.docker has more than one of signal, restart, exec",
    ],
    [
      "a container whose name is a path",
      "defaults: { deploy: [{ docker: { containers: ../web, restart: true } }] }\n",
      'defaults.deploy.0.docker.containers: "../web" is not the name or id of a container.',
    ],
    [
      "a signal that is not a word",
      "defaults: { deploy: [{ docker: { containers: web, signal: HUP now } }] }\n",
      'defaults.deploy.0.docker.signal is "HUP now"; it takes a signal such as HUP.',
    ],
    [
      "a Secret whose name is a path",
      "defaults: { deploy: [{ kubernetes: { secret: ../web } }] }\n",
      'defaults.deploy.0.kubernetes: "../web" is not a name for Kubernetes: use lower-case letters, digits, - and dots.',
    ],
    [
      "a Secret whose name ends with a hyphen",
      "defaults: { deploy: [{ kubernetes: { secret: web- } }] }\n",
      'defaults.deploy.0.kubernetes: "web-" is not a name for Kubernetes',
    ],
    [
      "a key of a Secret that is a path",
      "defaults: { deploy: [{ kubernetes: { secret: web, keys: { a/b: cert } } }] }\n",
      'defaults.deploy.0.kubernetes.keys: "a/b" is not a key of a Secret',
    ],
    [
      "another content of tls.crt",
      "defaults: { deploy: [{ kubernetes: { secret: web, keys: { tls.crt: key } } }] }\n",
      "defaults.deploy.0.kubernetes.keys.tls.crt is always written; give other keys only.",
    ],
    [
      "a key of a Secret that holds something unknown",
      "defaults: { deploy: [{ kubernetes: { secret: web, keys: { a.jks: jks } } }] }\n",
      'defaults.deploy.0.kubernetes.keys.a.jks is "jks"; it takes one of cert, chain,',
    ],
    [
      "a key store in a Secret without a password",
      "defaults: { deploy: [{ kubernetes: { secret: web, keys: { a.p12: pkcs12 } } }] }\n",
      "defaults.deploy.0.kubernetes.keys.a.p12 requires `password`",
    ],
    [
      "a workload to restart without its kind",
      "defaults: { deploy: [{ kubernetes: { secret: web, restart: [web] } }] }\n",
      'defaults.deploy.0.kubernetes.restart: "web" is not deployment/NAME',
    ],
    [
      "a deploy script by a relative path",
      "defaults: { deploy: [{ acme.sh: ../haproxy }] }\n",
      'defaults.deploy.0.acme.sh is "../haproxy"; it takes the name of a deploy script, or its absolute path.',
    ],
    [
      "a password of a deploy script in the file",
      "defaults: { deploy: [{ acme.sh: nas, variables: { NAS_PASSWORD: hunter2 } }] }\n",
      "defaults.deploy.0.variables.NAS_PASSWORD must be a reference to the secret",
    ],
    [
      "variables for a step that takes none",
      "defaults: { deploy: [{ run: x, variables: { A: b } }] }\n",
      "defaults.deploy.0: `variables` is for `acme.sh` only.",
    ],
    [
      "a hook with an empty command list",
      "defaults: { deploy: [{ run: [] }] }\n",
      "defaults.deploy.0.run must be a text, or a list",
    ],
    [
      "a hook that is empty",
      "defaults: { deploy: [''] }\n",
      "defaults.deploy.0.run must be a text",
    ],
    [
      "the key itself where a reference belongs",
      "issuers: { z: { server: x, eabHmac: hunter2hunter2 } }\n",
      "issuers.z.eabHmac must be a reference to the secret",
    ],
    [
      "an unknown issuer",
      "issuers: { le: { server: x } }\ncertificates: { a: { domains: [a.example], issuer: el } }\n",
      '2:44: certificates.a.issuer names "el", which is not one of the issuers',
    ],
    [
      "no issuer",
      "issuers: { le: { server: x } }\ncertificates: { a: { domains: [a.example], issuers: [] } }\n",
      "2:44: certificates.a.issuers is empty",
    ],
    [
      "an issuer twice",
      "issuers: { le: { server: x } }\ncertificates: { a: { domains: [a.example], issuers: [le, le] } }\n",
      '2:58: certificates.a.issuers names "le" twice',
    ],
    [
      "an unknown solver",
      "certificates: { a: { domains: [a.example], solvers: [web] } }\n",
      'certificates.a.solvers names "web", which is not one of the solvers',
    ],
    ["no names", "certificates: { a: {} }\n", "certificates.a requires domains"],
    [
      "two options that exclude each other",
      "defaults: { profile: a, requiredProfile: b }\n",
      "defaults has both profile and requiredProfile",
    ],
    [
      "a certificate that chooses none of several issuers",
      "issuers: { a: { server: x }, b: { server: y } }\ncertificates: { c: { domains: [c.example] } }\n",
      "certificates.c requires an issuer, since the file has several: a, b",
    ],
    [
      "a name that no folder can have",
      'certificates: { "../a": { domains: [a.example] } }\n',
      '"../a" is not a valid name',
    ],
    [
      "a name that objects have",
      "certificates: { constructor: { domains: [a.example], __proto__: { a: 1 } } }\n",
      /"__proto__" is not an option/,
    ],
    ["a bomb of aliases", bomb(), "Excessive alias count"],
  ])("the error for %s names file, line and key", async (_, text, expected) => {
    writeFileSync(path, text);
    const problem = await failure(loadConfig(path));
    expect(problem.exitCode).toBe(2);
    expect(problem.message.startsWith(path)).toBe(true);
    if (expected instanceof RegExp) expect(problem.message).toMatch(expected);
    else expect(problem.message).toContain(expected);
  });

  test.each([
    ["---", "issuers: {}\n---\nsolvers: {}\n", 2],
    ["...", "issuers: {}\n...\nsolvers: {}\n", 3],
  ])("the error names the line where a second YAML document begins (%s)", async (_, text, line) => {
    writeFileSync(path, text);
    const problem = await failure(loadConfig(path));
    expect(problem.message).toContain(`${path}:${line}:1: A second YAML document begins here`);
    expect(problem.hint).toContain("one YAML document");
    expect(problem.message).not.toContain("parseAllDocuments");
  });

  test("loadConfig reports all mistakes at once, each with its place", async () => {
    writeFileSync(path, "isuers: {}\ncertificates: { a: { domain: [x], keyType: ec25 } }\n");
    const problem = await failure(loadConfig(path));
    expect(problem.message).toBe(`${path} has 4 mistakes.`);
    expect(problem.document.subproblems?.map(({ title }) => title)).toEqual(
      ["1:1", "2:22", "2:35", "2:17"].map((place) => `${path}:${place}`),
    );
  });

  test("the error hides a secret in the line that it quotes", async () => {
    for (const line of [
      'apiToken: "hunter2',
      "password: hunter2: x",
      "{ use: x, secretKey: hunter2 ]",
      "tsigKey: 'hunter2",
    ]) {
      writeFileSync(path, `solvers:\n  a:\n    ${line}\n`);
      const { message } = await failure(loadConfig(path));
      expect(message).not.toContain("hunter2");
    }
  });

  test.each([
    ["- kubernetes: { secret: web, no: [a] }", "{ secret: web, no: [a] }"],
    ["- kubernetes: { password: hunter2, secret: web }", "{ password: ***"],
    ["- kubernetes: { secret: web, password: hunter2 }", "{ secret: web, password: ***"],
    ["- kubernetes: { secret: web, keys: { a/b: cert } }", "web, keys: { a/b: cert } }"],
    ["- kubernetes: { secret: web, secretKey: hunter2 }", "{ secret: web, secretKey: ***"],
    ["- kubernetes:\n          secret: [web]]", "secret: [web]]"],
    ["- other:\n          secret: [web]]", "secret: ***"],
    ["- { secret: web, kubernetes: { secret: web } }", "{ secret: ***"],
  ])("the line that the error quotes of %j shows %j", async (step, shown) => {
    const start = "certificates:\n  a:\n    domains: [a.example.com]\n    deploy:\n";
    writeFileSync(path, `${start}      ${step}\n`);
    const { message } = await failure(loadConfig(path));
    expect(message).toContain(shown);
  });

  test("loadConfig checks a solver's own options if its plugin is known", async () => {
    writeFileSync(
      path,
      'solvers:\n  cf: { use: cloudflare, apiToken: "env:CF", tll: 60, ttl: 30 }\n  no: { use: nosuch }\n',
    );
    await expect(loadConfig(path)).resolves.toBeDefined();
    const problem = await failure(loadConfig(path, { solverOptions }));
    expect(problem.document.subproblems?.map(({ detail }) => detail)).toEqual([
      '"tll" is not an option of solvers.cf. Did you mean "ttl"?',
      expect.stringContaining('solvers.cf.ttl is "30", which is too small'),
      'There is no solver called "nosuch".',
    ]);
  });
});

describe("setConfigValue", () => {
  test.each([
    [
      "issuers.letsencrypt.email",
      "new@example.com",
      "email: ops@example.com,",
      "email: new@example.com,",
    ],
    ["issuers.letsencrypt.agreeTos", "false", "agreeTos: true }   #", "agreeTos: false }   #"],
    [
      "issuers.letsencrypt.caBundle",
      "/ca.pem",
      "agreeTos: true }   #",
      "agreeTos: true, caBundle: /ca.pem }   #",
    ],
    [
      "certificates.shop.domains",
      "[a.example]",
      '[shop.example.com, "*.example.com"]',
      "[a.example]",
    ],
    ["certificates.shop.keyType", "rsa4096", 'nginx" }]\n', 'nginx" }]\n    keyType: rsa4096\n'],
    [
      "certificates.a.b.example.domains",
      "[a.b.example]",
      'nginx" }]\n',
      'nginx" }]\n  a.b.example:\n    domains: [a.b.example]\n',
    ],
    ["dns.timeout", "5m", 'nginx" }]\n', 'nginx" }]\ndns:\n  timeout: 5m\n'],
    ["certificates.shop.labels.team", "'x: y'", "team: shop }", 'team: "x: y" }'],
  ])("setting %s changes its own characters and no others", async (key, value, from, to) => {
    const text = design
      .replace("{ use: cloudflare,", "{ use: a,")
      .replace('apiToken: "file:/etc/acmectl/cf-token", ', "");
    const withoutOwn = text.replace(', server: ns1.lab.example, tsigKey: "env:LAB_TSIG"', "");
    writeFileSync(path, withoutOwn);
    await set(key, value);
    expect(readFileSync(path, "utf8")).toBe(withoutOwn.replace(from, to));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["config.yaml"]);
  });

  test("setConfigValue keeps quotes, CRLF and a byte order mark", async () => {
    writeFileSync(path, "\uFEFFissuers:\r\n  le:\r\n    server: 'letsencrypt' # CA\r\n");
    await set("issuers.le.server", "https://ca.example/dir");
    await set("issuers.le.email", "a@b.example");
    expect(readFileSync(path, "utf8")).toBe(
      "\uFEFFissuers:\r\n  le:\r\n    server: 'https://ca.example/dir' # CA\r\n    email: a@b.example\r\n",
    );
  });

  test("setConfigValue writes into an empty section, over a block list, and after a last line without a line end", async () => {
    writeFileSync(
      path,
      "# top\nissuers: # CAs\ncertificates:\n  a:\n    domains:\n      - a.example # first\n      - b.example",
    );
    await set("issuers.le.server", "letsencrypt");
    await set("certificates.a.keyType", "ec384");
    await set("certificates.a.domains", "[c.example]");
    const text = readFileSync(path, "utf8");
    expect(text).toContain("# top");
    expect(text).toContain("# CAs");
    expect(await loadConfig(path)).toMatchObject({
      issuers: { le: { server: "letsencrypt" } },
      certificates: { a: { domains: ["c.example"], keyType: "ec384" } },
    });
  });

  test("setConfigValue creates a private file and lists what is still missing in it", async () => {
    const nested = join(folder, "new/config.yaml");
    const change = await setConfigValue(nested, "issuers.le.email", "a@b.example");
    expect(change.missing).toEqual(['issuers.le requires "server".']);
    expect(readFileSync(nested, "utf8")).toBe("issuers:\n  le:\n    email: a@b.example\n");
    expect(statSync(nested).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, "new")).mode & 0o777).toBe(0o700);
  });

  test("setConfigValue writes through a symbolic link and keeps the link", async () => {
    writeFileSync(join(folder, "real.yaml"), "issuers: { le: { server: x } }\n");
    symlinkSync("real.yaml", path);
    await set("issuers.le.server", "y");
    expect(lstatSync(path).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, "real.yaml"), "utf8")).toBe(
      "issuers: { le: { server: y } }\n",
    );
  });

  test.each([
    ["issuers.le.sever", "x", '"sever" is not an option of issuers.le. Did you mean "server"?'],
    ["nonsense", "1", '"nonsense" is not an option of the file'],
    ["issuers.le.agreeTos", "perhaps", "neither true nor false"],
    ["issuers.le", "letsencrypt", "must hold options"],
    ["certificates.a.issuer", "other", "which is not one of the issuers"],
    ["certificates.a.domains", "[a", "The value is not valid YAML"],
    ["issuers..le", "x", "is not a key of the config"],
    ["", "x", "is not a key of the config"],
    ["issuers.__proto__.server", "x", '"__proto__" is not a valid name'],
  ])(
    "setConfigValue refuses %s = %s and does not change the file",
    async (key, value, expected) => {
      const text = "issuers: { le: { server: x } } # kept\n";
      writeFileSync(path, text, { mode: 0o640 });
      const problem = await failure(set(key, value));
      expect(problem.exitCode).toBe(2);
      expect(problem.message).toContain(expected);
      expect(readFileSync(path, "utf8")).toBe(text);
    },
  );

  test("setConfigValue refuses to change a value that a YAML anchor ties to another", async () => {
    const text =
      "certificates:\n  a: &a { domains: [a.example], keyType: &k ec384 }\n  b: *a\n  c: { domains: [c.example], keyType: *k }\n";
    writeFileSync(path, text);
    await expect(set("certificates.a.keyType", "rsa2048")).rejects.toThrow(
      "ties it to another value",
    );
    await expect(set("certificates.b.reuseKey", "true")).rejects.toThrow(
      "ties it to another value",
    );
    expect(readFileSync(path, "utf8")).toBe(text);
    await set("certificates.d.domains", "[d.example]");
    expect(readFileSync(path, "utf8")).toBe(`${text}  d:\n    domains: [d.example]\n`);
  });

  test("setConfigValue does not write a file that is invalid or was changed meanwhile", async () => {
    writeFileSync(path, "issuers: [\n");
    await expect(set("issuers.le.server", "x")).rejects.toThrow(`${path}:`);
    expect(readFileSync(path, "utf8")).toBe("issuers: [\n");

    writeFileSync(path, "solvers: { a: { use: x } }\n");
    const theirs = "solvers: { a: { use: theirs } }\n";
    const meanwhile = setConfigValue(path, "issuers.le.server", "x", {
      solverOptions: async () => {
        writeFileSync(path, theirs);
        return {};
      },
    });
    await expect(meanwhile).rejects.toThrow("its change was kept");
    expect(readFileSync(path, "utf8")).toBe(theirs);
  });

  test.skipIf(process.getuid?.() === 0)("reports a folder that cannot be written", async () => {
    chmodSync(folder, 0o500);
    const problem = await failure(set("issuers.le.server", "x"));
    chmodSync(folder, 0o700);
    expect(problem.exitCode).toBe(3);
    expect(problem.message).toContain("cannot be written");
  });

  test("the error for a path that leads through a file says so", async () => {
    writeFileSync(path, "");
    const below = join(path, "config.yaml");
    const problem = await failure(setConfigValue(below, "issuers.le.server", "x"));
    expect(problem.message).toContain(
      "cannot be read: a part of the path is a file, not a directory",
    );
    expect(problem.exitCode).toBe(3);
  });
});

describe("getConfigValue", () => {
  test("getConfigValue reads values as written, also below names with dots", async () => {
    writeFileSync(
      path,
      "certificates:\n  shop.example.com: { domains: [shop.example.com], keyType: ec384 }\ndns: { timeout: 5m }\n",
    );
    const get = async (key: string) => (await getConfigValue(path, key)).value;
    expect(await get("dns.timeout")).toBe("5m");
    expect(await get("certificates.shop.example.com.keyType")).toBe("ec384");
    expect(await get('certificates."shop.example.com".domains')).toEqual(["shop.example.com"]);
    expect(await get("certificates.shop.example.com")).toHaveProperty("keyType");
    expect(await get("certificates.other.example.com.keyType")).toBeUndefined();
    expect(await get("issuers.constructor")).toBeUndefined();
  });
});

describe("createConfig", () => {
  test("createConfig writes a private file and never replaces one, not even through a link", async () => {
    await createConfig(path, "dns: {}\n");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await expect(createConfig(path, "x")).rejects.toThrow("exists already");
    const link = join(folder, "link.yaml");
    symlinkSync("nowhere.yaml", link);
    await expect(createConfig(link, "x")).rejects.toThrow("exists already");
    expect(existsSync(join(folder, "nowhere.yaml"))).toBe(false);
    expect(readFileSync(path, "utf8")).toBe("dns: {}\n");
  });
});

async function failure(promise: Promise<unknown>): Promise<Problem> {
  const error: unknown = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!Problem.is(error)) throw new Error("No Problem was thrown", { cause: error });
  return error;
}

/** Nine levels of nine: a few hundred bytes that mean four hundred million values. */
function bomb(): string {
  const levels = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
  const lines = levels.map((name, index) => {
    const below = levels[index - 1];
    return `  ${name}: &${name} [${Array(9)
      .fill(below === undefined ? "x" : `*${below}`)
      .join(", ")}]`;
  });
  return `issuers:\n${lines.join("\n")}\n`;
}

async function set(key: string, value: string): Promise<unknown> {
  return setConfigValue(path, key, value, { solverOptions: async () => ({}) });
}
