import { generateKeyPairSync } from "node:crypto";
import { execFileSync } from "node:child_process";
import { filesBelow, hooksOf, runnerOf } from "../deploy/foreign-hooks.ts";
import { readAcmeSh } from "../../src/import/acme-sh/acme-sh.ts";
import { readCertbot } from "../../src/import/certbot/certbot.ts";
import { mkdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Issuing, startIssuing } from "../support/issuing.ts";
import { run, type RunOptions } from "../support/run.ts";
import { temporaryFolder } from "../support/state.ts";
import {
  fingerprint,
  type Lines,
  type Material,
  materialIn,
  put,
  writeAcmeSh,
  writeCertbot,
  writeLego,
} from "./folders.ts";

interface Document {
  outcome: string;
  accounts: { id: string; outcome: string; notes: string[] }[];
  certificates: {
    name: string;
    outcome: string;
    serial?: string;
    notAfter?: string;
    solvers: string[];
    notes: string[];
  }[];
  left: { what: string; why: string }[];
  problem?: { detail: string };
}

let issuing: Issuing;
let material: Material;
const name = "shop.localhost";

beforeAll(async () => {
  issuing = await startIssuing({
    authorizationReuse: 0,
    termsOfService: "https://ca.example/terms",
  });
  const { code, stderr } = await issuing.issue(["-d", `${name},www.shop.localhost`]);
  expect(stderr).not.toContain("Hint");
  expect(code).toBe(0);
  material = await materialIn(issuing.state, name);
});
afterAll(() => issuing[Symbol.asyncDispose]());

let folder: AsyncDisposable & { path: string };
let other: string;
let state: string;
beforeEach(async () => {
  folder = await temporaryFolder();
  other = join(folder.path, "other");
  state = join(folder.path, "state");
  return () => folder[Symbol.asyncDispose]();
});

async function take(words: readonly string[], options: RunOptions = {}) {
  const bundle = issuing.words[3] ?? "";
  const ran = await run(["import", ...words, "--ca-bundle", bundle, "--json"], {
    ...options,
    env: { HOME: folder.path, ACMECTL_STATE: state, ...options.env },
  });
  return { ...ran, document: JSON.parse(ran.stdout || "{}") as Document };
}

async function stored(certificate = name) {
  const file = join(state, "certificates", certificate, "certificate.json");
  return JSON.parse(await readFile(file, "utf8")) as {
    request: {
      keyType: string;
      reuseKey: boolean;
      profile?: string;
      profileRequired?: boolean;
      preferredChain?: string;
      issuer: { server: string; email?: string };
      solvers: { use: string; options: Record<string, unknown>; select?: { names: string[] } }[];
      hooks: Record<string, { run: unknown; shell?: boolean }[]>;
      outputs: Record<string, string>;
    };
    status: { deploy?: Record<string, { state: string }> };
  };
}

const standalone = () => String(issuing.httpPort);
const clients: readonly {
  client: string;
  write: () => Promise<void>;
  words: () => readonly string[];
}[] = [
  {
    client: "certbot",
    write: () =>
      writeCertbot(other, name, material, {
        settings: ["authenticator = standalone", `http01_port = ${standalone()}`],
      }),
    words: () => [],
  },
  {
    client: "lego",
    write: () => writeLego(other, name, material),
    words: () => [
      "--server",
      material.directory,
      "--standalone",
      "--standalone-port",
      standalone(),
    ],
  },
  {
    client: "acme.sh",
    write: () =>
      writeAcmeSh(other, name, material, {
        settings: ["Le_Webroot='no'", `Le_HTTPPort='${standalone()}'`],
      }),
    words: () => [],
  },
];

describe.each(clients)("import $client", ({ client, write, words }) => {
  test("import takes over account and certificate without changing the folder, and renew uses the same account", async () => {
    await write();
    const before = await fingerprint(other);
    const planned = await take([client, other, ...words(), "--dry-run"]);
    expect([planned.code, planned.document.outcome]).toEqual([0, "planned"]);
    await expect(readFile(join(state, "certificates", name, "certificate.json"))).rejects.toThrow();

    const taken = await take([client, other, ...words()]);
    expect(taken.stderr).toBe("");
    expect([taken.code, taken.document.outcome]).toEqual([0, "imported"]);
    expect(taken.document.accounts.map(({ outcome }) => outcome)).toEqual(["taken"]);
    expect(taken.document.certificates).toMatchObject([
      { name, outcome: "taken", solvers: ["standalone"] },
    ]);
    expect(await readFile(join(state, "certificates", name, "current/cert.pem"), "utf8")).toBe(
      material.certificate,
    );
    expect(await readFile(join(state, "certificates", name, "current/privkey.pem"), "utf8")).toBe(
      material.key,
    );

    const kept = await fingerprint(join(state, "certificates"));
    const again = await take([client, other, ...words()]);
    expect([again.code, again.document.outcome]).toEqual([0, "unchanged"]);
    expect(await fingerprint(join(state, "certificates"))).toEqual(kept);
    expect(await fingerprint(other)).toEqual(before);

    const asked = issuing.ca.requests.length;
    const renewed = await run(["renew", "--force", "--no-jitter", "--json"], {
      env: { HOME: folder.path, ACMECTL_STATE: state },
    });
    expect([renewed.code, renewed.stderr]).toEqual([0, expect.not.stringContaining("Hint")]);
    const requests = issuing.ca.requests.slice(asked);
    expect(requests.filter(({ kind }) => kind === "newAccount")).toEqual([]);
    const [order] = requests.filter(({ kind }) => kind === "newOrder");
    expect(order?.protected?.["kid"]).toBe(material.accountUrl);
    expect(order?.payload).toHaveProperty("replaces");

    const after = await take([client, other, ...words()]);
    expect([after.code, after.document.certificates[0]?.outcome]).toEqual([0, "renewed since"]);
    expect(after.document.certificates[0]?.serial).not.toBe(taken.document.certificates[0]?.serial);
  });

  test("import takes over only the settings of an expired certificate", async () => {
    await write();
    const late = new Date("2099-01-01T00:00:00Z");
    const clock = { now: () => late, monotonic: () => 0, sleep: () => Promise.resolve() };
    const { code, document } = await take([client, other, ...words()], { clock });
    expect(code).toBe(0);
    expect(document.certificates[0]?.outcome).toBe("taken");
    expect(document.certificates[0]?.notes.join()).toContain("expired");
    await expect(readFile(join(state, "certificates", name, "current/cert.pem"))).rejects.toThrow();
    expect((await stored()).request.solvers).toHaveLength(1);
    const again = await take([client, other, ...words()], { clock });
    expect([again.code, again.document.outcome]).toEqual([0, "unchanged"]);
  });

  test("import reports a missing and an empty folder", async () => {
    const missing = await take([client, other]);
    expect(missing.code).toBe(2);
    expect(missing.stdout).toContain(`acmectl import ${client} PATH`);
    await put(join(other, "README"), "nothing");
    const empty = await take([client, other]);
    expect([empty.code, empty.document.outcome]).toEqual([0, "unchanged"]);
  });
});

describe("certificates that are held already", () => {
  test("import refuses a name that exists from elsewhere unless --force replaces it, and imports the others", async () => {
    await issuing.issue(["-d", "second.localhost"]);
    const second = await materialIn(issuing.state, "second.localhost");
    await writeCertbot(other, name, material);
    await take(["certbot", other]);
    await rm(other, { recursive: true });
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const accountKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    // The same name from another account, and one that is new.
    await writeCertbot(other, name, { ...second, accountKey });
    const one = await take(["certbot", other]);
    expect(one.code).toBe(2);
    expect(one.document.certificates).toMatchObject([{ name, outcome: "refused" }]);
    await writeCertbot(other, "second.localhost", { ...second, accountKey });
    const both = await take(["certbot", other]);
    expect(both.code).toBe(11);
    expect(both.document.problem?.detail).toContain(name);
    expect(await readFile(join(state, "certificates", name, "current/cert.pem"), "utf8")).toBe(
      material.certificate,
    );
    const forced = await take(["certbot", other, "--force"]);
    expect(forced.code).toBe(0);
    expect(forced.document.certificates).toMatchObject([
      { name: "second.localhost", outcome: "unchanged" },
      { name, outcome: "updated" },
    ]);
    expect(await readFile(join(state, "certificates", name, "current/cert.pem"), "utf8")).toBe(
      second.certificate,
    );
    expect(forced.document.accounts[0]?.notes.join()).toContain("one account per CA");
  });

  test("a second import adds a solver to a certificate without one", async () => {
    await writeLego(other, name, material);
    const first = await take(["lego", other, "--server", material.directory]);
    expect(first.document.certificates[0]?.notes.join(" ")).toContain("cannot be renewed");
    const second = await take(["lego", other, "--server", material.directory, "--webroot", other]);
    expect([second.code, second.document.certificates[0]?.outcome]).toEqual([0, "updated"]);
    expect((await stored()).request.solvers).toMatchObject([
      { use: "webroot", options: { directory: other } },
    ]);
  });
});

describe("what cannot be imported", () => {
  test("import fails and says why when nothing in the folder can be read", async () => {
    const conf = join(other, "renewal", "empty.localhost.conf");
    await put(conf, "version = 1\n");
    const { code, document, stdout } = await take(["certbot", other]);
    expect([code, document.outcome]).toEqual([2, "unchanged"]);
    expect(document.problem?.detail).toContain("Nothing in");
    expect(document.problem?.detail).toContain(`${conf}: `);
    expect(stdout).not.toContain("imported before");
  });

  test("a second import repeats the warnings of the first", async () => {
    await writeCertbot(other, name, material, { settings: [] });
    const words = ["import", "certbot", other, "--ca-bundle", issuing.words[3] ?? ""];
    const env = { HOME: folder.path, ACMECTL_STATE: state };
    expect((await run(words, { env })).stdout).toContain("It is not ready");
    const again = await run(words, { env });
    expect(again.stdout).toContain("was imported before");
    expect(again.stdout).toContain("It is not ready");
  });

  test("import reports what it cannot read, and imports the rest", async () => {
    await writeCertbot(other, name, material);
    await writeCertbot(other, "plain.localhost", material, { settings: [] });
    const conf = join(other, "renewal", "plain.localhost.conf");
    await put(conf, (await readFile(conf, "utf8")).replace("https:", "http:"));
    await put(join(other, "renewal", "empty.localhost.conf"), "version = 1\n");
    await put(join(other, "renewal", "gone.localhost.conf"), "[renewalparams]\naccount = x\n");
    await put(join(other, "accounts/ca.example/dir/1/private_key.json"), '{"kty":"EC"}');
    await put(
      join(other, "accounts/acme-v01.api.letsencrypt.org/directory/1/private_key.json"),
      "",
    );
    const broken = join(other, "live", "broken.localhost");
    await put(join(broken, "fullchain.pem"), "no certificate");
    await put(join(broken, "privkey.pem"), material.key);
    await put(join(other, "renewal", "broken.localhost.conf"), "[renewalparams]\naccount = x\n");
    const { code, document } = await take(["certbot", other]);
    expect(code).toBe(0);
    expect(document.certificates.map((one) => one.name)).toEqual([name]);
    const left = Object.fromEntries(document.left.map(({ what, why }) => [what, why]));
    expect(left).toMatchObject({
      [conf]: expect.stringContaining("requires https"),
      [join(other, "renewal", "empty.localhost.conf")]: expect.stringContaining("renewalparams"),
      [join(other, "renewal", "gone.localhost.conf")]: expect.stringContaining("does not exist"),
      [join(other, "renewal", "broken.localhost.conf")]:
        expect.stringContaining("readable certificate"),
      [join(other, "accounts/ca.example/dir/1")]: expect.stringContaining("JSON Web Key"),
      [join(other, "accounts/acme-v01.api.letsencrypt.org/directory/1")]:
        expect.stringContaining("version 1 of ACME"),
    });
  });

  test("a certificate with the key of another is not imported, and reported", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await writeAcmeSh(other, name, { ...material, key });
    const { document } = await take(["acme.sh", other]);
    expect(document.certificates[0]?.notes[0]).toMatch(/Only its settings were imported: .*key/);
    await expect(readFile(join(state, "certificates", name, "current/cert.pem"))).rejects.toThrow();
  });

  test("an account key that CAs refuse is reported and not imported", async () => {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-521" });
    const accountKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await writeAcmeSh(other, name, { ...material, accountKey });
    const { code, document } = await take(["acme.sh", other]);
    expect(code).toBe(0);
    expect(document.accounts).toEqual([]);
    expect(document.left[0]?.why).toContain("type or size");
    expect((await stored()).request.issuer).toMatchObject({ agreeTos: false });
    expect(document.certificates[0]?.notes.join()).toContain("acmectl account register");
    // Nobody has agreed to the terms of a new account.
    const asked = issuing.ca.requests.length;
    const renewed = await run(["renew", "--force", "--no-jitter"], {
      env: { HOME: folder.path, ACMECTL_STATE: state },
    });
    expect(renewed.code).not.toBe(0);
    expect(issuing.ca.requests.slice(asked).map(({ kind }) => kind)).not.toContain("newAccount");
  });

  test("lego's folder without a directory URL asks for --server", async () => {
    await writeLego(other, name, material);
    const { code, document } = await take(["lego", other]);
    expect(code).toBe(2);
    expect(document.left).toHaveLength(2);
    expect(document.left.map(({ why }) => why).join()).toContain("--server URL");
  });
});

describe("--check", () => {
  test("import --check finds an account without a URL, and leaves out one that the CA does not know", async () => {
    await writeCertbot(other, name, { ...material, accountUrl: "" });
    const known = await take(["certbot", other, "--check"]);
    expect(known.document.accounts).toMatchObject([{ outcome: "taken", url: material.accountUrl }]);
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const accountKey = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
    await rm(other, { recursive: true });
    await writeCertbot(other, name, { ...material, accountKey });
    const unknown = await take(["certbot", other, "--check"]);
    expect(unknown.document.accounts).toEqual([]);
    expect(unknown.document.left[0]?.why).toContain("does not know an account");
  });

  test("an account's URL on another host than its CA is ignored", async () => {
    await writeCertbot(other, name, { ...material, accountUrl: "https://evil.example/acct/1" });
    const { document } = await take(["certbot", other]);
    expect(document.accounts[0]).not.toHaveProperty("url");
  });
});

describe("settings of certbot", () => {
  const certbot = async (settings: Lines["settings"]) => {
    await writeCertbot(other, name, material, settings === undefined ? {} : { settings });
    return take(["certbot", other]);
  };

  test("certbot's settings become those of the request, with hooks in order that do not run again for the same certificate", async () => {
    await put(join(other, "renewal-hooks/deploy/20-mail"), "#!/bin/sh\n", 0o755);
    await put(join(other, "renewal-hooks/deploy/10-web"), "#!/bin/sh\n", 0o755);
    await put(join(other, "renewal-hooks/deploy/README"), "not a program");
    await put(join(other, "cli.ini"), "post-hook = systemctl start nginx\n");
    await certbot([
      "authenticator = standalone",
      "reuse_key = True",
      "key_type = rsa",
      "rsa_key_size = 4096",
      "preferred_chain = ISRG Root X1",
      "required_profile = shortlived",
      "pre_hook = systemctl stop nginx",
      `renew_hook = 'echo "one, two" # x'`,
    ]);
    const { request, status } = await stored();
    expect(request).toMatchObject({
      keyType: "rsa4096",
      reuseKey: true,
      preferredChain: "ISRG Root X1",
      profile: "shortlived",
      profileRequired: true,
      hooks: {
        pre: [{ run: "systemctl stop nginx", shell: true }],
        deploy: [
          { run: [join(other, "renewal-hooks/deploy/10-web")] },
          { run: [join(other, "renewal-hooks/deploy/20-mail")] },
          { run: 'echo "one, two" # x', shell: true },
        ],
        post: [{ run: "systemctl start nginx", shell: true }],
      },
    });
    expect(Object.values(status.deploy ?? {}).map((one) => one.state)).toEqual([
      "done",
      "done",
      "done",
    ]);
  });

  test("a certbot certificate without a webroot folder is not ready, which status --check reports", async () => {
    const { document } = await certbot(["authenticator = webroot", "[[webroot_map]]"]);
    expect(document.certificates[0]?.solvers).toEqual([]);
    expect(document.certificates[0]?.notes.join(" ")).toMatch(
      /no folder.*--webroot DIR.*not ready/,
    );
    const env = { HOME: folder.path, ACMECTL_STATE: state };
    const checked = await run(["status", "--check"], { env });
    expect(checked.code).toBe(11);
    expect(checked.stderr).toContain("not ready: No solver is known");
  });

  test("with a webroot that does not exist here are reported as not ready", async () => {
    const www = join(folder.path, "www");
    const settings = ["authenticator = webroot", `webroot_path = ${www},`];
    const notes = async () => (await certbot(settings)).document.certificates[0]?.notes.join("\n");
    expect(await notes()).toContain(
      `The solver webroot is not ready: the folder ${www} does not exist.`,
    );
    await mkdir(www);
    await rm(state, { recursive: true });
    expect(await notes()).not.toContain("not ready");
  });

  test("certbot's credentials are found below the imported folder when it was moved", async () => {
    await put(
      join(other, "credentials/cf"),
      "dns_cloudflare_api_token = canary-token-of-40-characters\r\n",
    );
    const key = "dns_cloudflare_credentials";
    const { document } = await certbot([
      "authenticator = dns-cloudflare",
      `${key} = /nowhere/credentials/cf`,
    ]);
    const [solver] = (await stored()).request.solvers;
    expect(solver?.options["apiToken"]).toContain(join(other, "credentials/cf"));
    expect(document.certificates[0]?.notes.join(" ")).not.toContain("not ready");
  });

  test("a certbot certificate whose credentials are missing is reported as not ready", async () => {
    const key = "dns_cloudflare_credentials";
    const { document } = await certbot([
      "authenticator = dns-cloudflare",
      `${key} = /nowhere/cf.ini`,
    ]);
    const notes = document.certificates[0]?.notes.join("\n") ?? "";
    expect(notes).toContain("is not ready: the file with the credentials of dns-cloudflare");
    expect(notes).toContain("cloudflare is not ready: ");
  });

  test("renew_before_expiry above certbot's first section is read", async () => {
    await writeCertbot(other, name, material);
    const conf = join(other, "renewal", `${name}.conf`);
    await put(conf, `renew_before_expiry = 10 days\n${await readFile(conf, "utf8")}`);
    const { document } = await take(["certbot", other]);
    expect(document.certificates[0]?.notes.join()).toContain("renew_before_expiry (10 days)");
  });

  test("an account whose folder for version 2 is a link to that for version 1 is used, also by a broken link", async () => {
    for (const target of ["../acme-v01.api.letsencrypt.org/directory", "/nowhere/directory"]) {
      await rm(other, { recursive: true, force: true });
      await writeCertbot(other, name, {
        ...material,
        directory: "https://acme-v01.api.letsencrypt.org/directory",
      });
      await mkdir(join(other, "accounts/acme-v02.api.letsencrypt.org"));
      await symlink(target, join(other, "accounts/acme-v02.api.letsencrypt.org/directory"));
      const { accounts, certificates, left } = await readCertbot(other);
      expect(accounts.map(({ directory }) => directory)).toEqual([
        "https://acme-v02.api.letsencrypt.org/directory",
      ]);
      expect(certificates[0]?.account).toBe(accounts[0]?.id);
      expect(left).toEqual([]);
    }
  });

  test("a secret stays in its file and is read by a reference, not copied or shown", async () => {
    const secret = `canary-${"x".repeat(30)}`;
    const ini = join(folder.path, "it's a", "cf.ini");
    await put(ini, `# the token\ndns_cloudflare_api_token = "${secret}"\n`);
    const { code, stdout, stderr, document } = await certbot([
      "authenticator = dns-cloudflare",
      `dns_cloudflare_credentials = ${ini}`,
      "dns_cloudflare_propagation_seconds = 60",
    ]);
    expect(code).toBe(0);
    const { request } = await stored();
    const [solver] = request.solvers;
    expect(solver).toMatchObject({ use: "cloudflare" });
    expect(solver?.options["apiToken"]).toMatch(/^cmd:sed -n /);
    expect(stdout + stderr + JSON.stringify(request)).not.toContain(secret);
    const notes = document.certificates[0]?.notes.join(" ") ?? "";
    expect(notes).toContain(`stays in dns_cloudflare_api_token in ${ini}`);
    expect(notes).toContain("60 seconds was not imported");
    expect(notes).not.toContain("not ready");
  });

  test.each([
    ["authenticator = nginx", /configuration of nginx.*--webroot/],
    ["authenticator = certbot-plugin-x:dns-x", /by dns-x.*--solver NAME/],
    ["authenticator = manual", /A person answered by hand.*--webroot/],
  ])("say what to do without an equivalent for %s", async (line, says) => {
    const { document } = await certbot([line]);
    expect(document.certificates[0]?.solvers).toEqual([]);
    expect(document.certificates[0]?.notes.join(" ")).toMatch(says);
  });

  test.each([
    [
      ["authenticator = webroot", "webroot_path = /srv/a,", "[[webroot_map]]", `${name} = /srv/a`],
      [{ use: "webroot", options: { directory: "/srv/a" } }],
    ],
    [
      [
        "authenticator = webroot",
        "[[webroot_map]]",
        `${name} = /srv/a`,
        "www.shop.localhost = /srv/b",
      ],
      [
        {
          use: "webroot",
          options: { directories: { [name]: "/srv/a", "www.shop.localhost": "/srv/b" } },
        },
      ],
    ],
    [["authenticator = dns-route53"], [{ use: "route53", options: {} }]],
    [
      ["authenticator = standalone", "http01_address = 192.0.2.1"],
      [{ use: "standalone", options: { address: ["192.0.2.1"] } }],
    ],
  ])("answer challenges by our solvers: %j", async (settings, solvers) => {
    await certbot(settings);
    expect((await stored()).request.solvers).toMatchObject(solvers);
  });

  test("rfc2136 keeps certbot's default algorithm", async () => {
    const ini = join(folder.path, "rfc2136.ini");
    await put(
      ini,
      ["server = 192.0.2.53", "name = keyname.", "secret = c2VjcmV0IQ=="]
        .map((line) => `dns_rfc2136_${line}`)
        .join("\n"),
    );
    await certbot(["authenticator = dns-rfc2136", `dns_rfc2136_credentials = ${ini}`]);
    expect((await stored()).request.solvers[0]?.options).toMatchObject({
      server: "192.0.2.53",
      tsigKeyName: "keyname.",
      tsigAlgorithm: "hmac-md5",
      tsigSecret: expect.stringContaining("cmd:sed"),
    });
  });

  test("flags override certbot's settings", async () => {
    await writeCertbot(other, name, material, { settings: ["authenticator = nginx"] });
    const { document } = await take(["certbot", other, "--webroot", "/srv/www"]);
    expect(document.certificates[0]).toMatchObject({ solvers: ["webroot"] });
  });
});

describe("settings of acme.sh", () => {
  const acmeSh = async (...settings: string[]) => {
    await writeAcmeSh(other, name, material, { settings });
    return take(["acme.sh", other]);
  };
  const encoded = (text: string) =>
    `__ACME_BASE64__START_${Buffer.from(text).toString("base64")}__ACME_BASE64__END_`;

  test("acme.sh's settings become those of the request: decoded hooks, copies outside the folder, the same key", async () => {
    await acmeSh(
      "Le_Webroot='/srv/a,dns_cf'",
      `Le_PreHook='${encoded("systemctl stop nginx")}'`,
      `Le_ReloadCmd='${encoded("systemctl reload 'nginx'")}'`,
      "Le_RealKeyPath='/etc/nginx/shop.key'",
      "Le_RealFullChainPath='/etc/nginx/shop.pem'",
      `Le_RealCertPath='${join(other, `${name}_ecc`, "copy.cer")}'`,
      `Le_Preferred_Chain='${encoded("ISRG Root X1")}'`,
    );
    const { request } = await stored();
    expect(request).toMatchObject({
      reuseKey: true,
      preferredChain: "ISRG Root X1",
      issuer: { email: "ops@example.com" },
      hooks: {
        pre: [{ run: "systemctl stop nginx", shell: true }],
        deploy: [{ run: "systemctl reload 'nginx'", shell: true }],
      },
      solvers: [
        { use: "webroot", options: { directory: "/srv/a" }, select: { names: [name] } },
        { use: "cloudflare", select: { names: ["www.shop.localhost"] } },
      ],
    });
    expect(request.outputs).toEqual({
      key: "/etc/nginx/shop.key",
      fullchain: "/etc/nginx/shop.pem",
    });
  });

  test("a saved secret is read from account.conf at each renewal, and an encoded one is reported", async () => {
    await put(
      join(other, "account.conf"),
      `SAVED_CF_Token='canary-token'\nSAVED_CF_Key='${encoded("canary-key")}'\nSAVED_CF_Email='a@example.com'\n`,
    );
    const { document, stdout, stderr } = await acmeSh("Le_Webroot='dns_cf'");
    const [solver] = (await stored()).request.solvers;
    expect(solver?.options).toMatchObject({
      apiToken: expect.stringContaining("cmd:sed"),
      email: "a@example.com",
    });
    expect(solver?.options).not.toHaveProperty("apiKey");
    expect(document.certificates[0]?.notes.join(" ")).toContain(
      `SAVED_CF_Key in ${join(other, "account.conf")} was not imported: set apiKey`,
    );
    expect(stdout + stderr).not.toContain("canary");
  });

  test("reload commands write the same files as under acme.sh", async () => {
    const outs = [join(folder.path, "theirs"), join(folder.path, "ours")] as const;
    const reload = await runnerOf("acme.sh", outs[1]);
    await acmeSh("Le_Webroot='no'", `Le_ReloadCmd='${encoded(reload)}'`);
    const place = join(other, `${name}_ecc`);
    // What acme.sh exports in _installcert.
    const exported = {
      CERT_PATH: join(place, `${name}.cer`),
      CERT_KEY_PATH: join(place, `${name}.key`),
      CA_CERT_PATH: join(place, "ca.cer"),
      CERT_FULLCHAIN_PATH: join(place, "fullchain.cer"),
      Le_Domain: name,
    };
    execFileSync("/bin/sh", ["-c", await runnerOf("acme.sh", outs[0])], {
      cwd: place,
      env: { PATH: process.env["PATH"], ...exported },
    });
    const env = { HOME: folder.path, ACMECTL_STATE: state };
    const deployed = await run(["deploy", name, "--all"], { env });
    expect(deployed.code, deployed.stderr).toBe(0);
    const theirs = await filesBelow(outs[0]);
    const written = new Set(Object.keys(theirs).map((path) => path.split("/")[0]));
    expect(written).toEqual(new Set(await hooksOf("acme.sh")));
    expect(await filesBelow(outs[1])).toEqual(theirs);
  });

  test("CERT_HOME of another machine is looked for below the folder, and reported when it is not there", async () => {
    await acmeSh("Le_Webroot='no'");
    await put(join(other, "account.conf"), "CERT_HOME='/acme.sh/certs'\n");
    const elsewhere = await readAcmeSh(other);
    expect(elsewhere.certificates).toHaveLength(1);
    expect(elsewhere.left[0]?.why).toContain("CERT_HOME is /acme.sh/certs, which does not exist");
    await mkdir(join(other, "certs"));
    await rename(join(other, `${name}_ecc`), join(other, "certs", `${name}_ecc`));
    const below = await readAcmeSh(other);
    expect(below.certificates).toHaveLength(1);
    expect(below.left).toEqual([]);
  });

  test("RSA and ECC certificates of one name get two names", async () => {
    await acmeSh("Le_Webroot='no'");
    const rsa = join(other, name);
    for (const file of [`${name}.conf`, `${name}.cer`, "ca.cer", `${name}.key`]) {
      await put(join(rsa, file), await readFile(join(other, `${name}_ecc`, file), "utf8"));
    }
    await rm(state, { recursive: true });
    const { document } = await take(["acme.sh", other]);
    expect(document.certificates.map((one) => one.name)).toEqual([name, `${name}_ecc`]);
  });
});

test("accounts and certificates of lego 5 contain their CA", async () => {
  await writeLego(other, name, material);
  const server = new URL(material.directory).host.replaceAll(":", "_");
  const account = join(other, "accounts", server, "ops@example.com");
  const key = await readFile(join(account, "keys/ops@example.com.key"), "utf8");
  await rm(join(account, "keys"), { recursive: true });
  await put(join(account, "ops@example.com.key"), key);
  await put(
    join(account, "account.json"),
    JSON.stringify({
      id: "ops@example.com",
      email: "ops@example.com",
      server: material.directory,
      keyType: "EC256",
      registration: { status: "valid", accountURL: material.accountUrl },
    }),
  );
  const { document } = await take(["lego", other, "--standalone"]);
  expect(document.left).toEqual([]);
  expect(document.accounts).toMatchObject([{ outcome: "taken", url: material.accountUrl }]);
  expect(document.certificates).toMatchObject([{ name, outcome: "taken" }]);
});

test("an imported certificate takes the place of a temporary one", async () => {
  await writeCertbot(other, name, material);
  const words = ["--name", name, "--server", "https://127.0.0.1:1/dir", "--temporary"];
  const env = { HOME: folder.path, ACMECTL_STATE: state };
  const made = await run(["issue", "-d", name, ...words, "--solver", "none"], { env });
  expect(made.stderr).toContain("has a temporary self-signed certificate");
  const { document } = await take(["certbot", other]);
  expect(document.certificates).toMatchObject([{ name, outcome: "taken" }]);
  const meta = join(state, "certificates", name, "current", "meta.json");
  expect(JSON.parse(await readFile(meta, "utf8"))).not.toHaveProperty("temporary");
});

test("import prints what was imported, what was not and what to do next", async () => {
  await writeCertbot(other, name, material, { settings: ["authenticator = nginx"] });
  const { stdout } = await run(["import", "certbot", other], {
    env: { HOME: folder.path, ACMECTL_STATE: state },
  });
  expect(stdout.replaceAll(other, "OTHER").replaceAll(state, "STATE")).toMatch(
    /Imported from certbot \(OTHER\).*\n.*OUTCOME(.|\n)*Not imported(.|\n)*nginx(.|\n)*certbot\.timer/,
  );
});
