import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cloudflareToken, startCloudflareFake } from "../support/fakes/cloudflare.ts";
import { startIssuing } from "../support/issuing.ts";
import { acmectl } from "../support/spawn.ts";
import { temporaryFolder } from "../support/state.ts";

const vendors = {
  aws: /node_modules\/(@aws-sdk|@smithy)\//,
  cloudflare: /node_modules\/cloudflare\//,
  google: /node_modules\/(google-auth-library|gaxios)\//,
  plugins: /\/plugins\/([^/]+)\//,
  kubernetes: /\/src\/kubernetes\/(?!open\.ts)|\/src\/deploy\/steps\/kubernetes/,
};

/** Runs acmectl and lists every module that it loaded: from source, whose modules have telling paths, or the bundle. */
async function loadedBy(
  words: readonly string[],
  env: Record<string, string> = {},
  conditions: readonly string[] = ["--conditions=source"],
) {
  await using folder = await temporaryFolder();
  const [log, hooks] = [join(folder.path, "loaded"), join(folder.path, "hooks.mjs")];
  await writeFile(
    hooks,
    `import { registerHooks } from "node:module";
import { appendFileSync } from "node:fs";
process.on("exit", () => appendFileSync(${JSON.stringify(log)}, process.moduleLoadList.join("\\n")));
registerHooks({ load(url, context, next) { appendFileSync(${JSON.stringify(log)}, url + "\\n"); return next(url, context); } });`,
  );
  const ran = await acmectl(words, {
    env: { HOME: folder.path, ...env },
    node: [...conditions, "--import", hooks],
  }).ended;
  const urls = (await readFile(log, "utf8")).split("\n");
  const matching = (pattern: RegExp) => urls.filter((url) => pattern.test(url));
  const plugins = new Set(urls.flatMap((url) => vendors.plugins.exec(url)?.[1] ?? []));
  return { ...ran, urls, matching, plugins: [...plugins] };
}

/** Code that talks to CAs and name servers or reads YAML; not what parses names, keys, addresses, presets and their limits. */
const heavy = [
  /\/node_modules\/(?!commander|croner|fastest-levenshtein|get-east-asian-width)/,
  /\/src\/acme\/(?!(identifiers|keys|limits|pem|presets|private-addresses|registration|text)\.ts)/,
  /\/src\/dns\/(?!server\.ts)/,
  /\/src\/(issue\/(?!dane\/(signed|up-to-date))|issuer\/|account\/|import\/|test-ca\/)/,
  /\/src\/renew\/(pass|renew|rehearse)\.ts/,
  /\/src\/config\/(file|schema|yaml|conf)\.ts/,
];

test("list, plan and a renew with nothing due load neither ACME nor DNS code, nor YAML", async () => {
  await using issuing = await startIssuing();
  await issuing.issue(["-d", "a.example.test"]);
  // This one asks for renewal information.
  await issuing.run(["renew", "--no-jitter"]);
  const asked = issuing.ca.requests.length;
  for (const command of ["list", "plan", "renew"]) {
    const words = [command, "--state", issuing.state];
    const fromSource = await loadedBy(words);
    expect(fromSource).toMatchObject({
      code: 0,
      plugins: command === "plan" ? ["standalone"] : [],
    });
    expect(heavy.flatMap((pattern) => fromSource.matching(pattern))).toEqual([]);

    const bundled = await loadedBy(words, {}, []);
    if (command !== "plan") {
      const slow = /^NativeModule (crypto|net)$/;
      expect(bundled.matching(slow), command).toEqual([]);
    }
    const chunks = bundled.urls.flatMap((url) => /\/chunks\/([a-z-]+)-/.exec(url)?.[1] ?? []);
    const shared = ["base", "program", "rolldown-runtime"];
    const more = command === "plan" ? ["http", "proxy", "request", "schedule"] : [];
    expect([...shared, ...more, "usingCtx"], command).toEqual(expect.arrayContaining(chunks));
  }
  expect(issuing.ca.requests).toHaveLength(asked);
});

test("--help loads no command", async () => {
  const { code, urls } = await loadedBy(["--help"], {}, []);
  expect(code).toBe(0);
  expect(urls.filter((url) => /\/commands\/|\/plugins\//.test(url))).toEqual([]);
  expect(urls.filter((url) => url.includes("/dist/")).length).toBeLessThan(6);
});

test("--version loads no provider and no ACME library", async () => {
  const { code, matching, plugins } = await loadedBy(["--version"]);
  expect(code).toBe(0);
  expect(plugins).toEqual([]);
  expect(
    matching(
      /node_modules\/(acme-client|@aws-sdk|cloudflare|google-auth-library|undici)\/|\/src\/kubernetes\//,
    ),
  ).toEqual([]);
});

test("an http-01 run loads no other solver", async () => {
  await using issuing = await startIssuing();
  const solver = ["--solver", "standalone", "--standalone-port", String(issuing.httpPort)];
  const words = [
    "issue",
    "-d",
    "a.example.test",
    ...solver,
    ...issuing.words,
    "--self-check-at",
    `127.0.0.1:${issuing.httpPort}`,
  ];
  const { code, matching, plugins } = await loadedBy(words);
  expect(code).toBe(0);
  expect(plugins).toEqual(["standalone"]);
  for (const vendor of [vendors.aws, vendors.cloudflare, vendors.google, vendors.kubernetes])
    expect(matching(vendor)).toEqual([]);
});

test("a Cloudflare run loads neither AWS nor Google, nor another solver", async () => {
  await using issuing = await startIssuing();
  const fake = await startCloudflareFake();
  fake.addZone("example.com");
  try {
    const words = [
      "issue",
      "-d",
      "a.example.com",
      "--solver",
      "cloudflare",
      ...issuing.words,
      "--dns-wait",
      "1s",
    ];
    const { matching, plugins, stderr } = await loadedBy(words, {
      CLOUDFLARE_API_TOKEN: cloudflareToken,
      ACMECTL_CLOUDFLARE_BASE_URL: fake.url,
      // No DNS is asked: the fake's zones are in no DNS.
      ACMECTL_DNS_CNAME: "none",
    });
    expect(stderr).toContain("presenting dns-01");
    expect(plugins).toEqual(["cloudflare"]);
    expect(matching(vendors.cloudflare).length).toBeGreaterThan(0);
    for (const vendor of [vendors.aws, vendors.google]) expect(matching(vendor)).toEqual([]);
  } finally {
    await fake.close();
  }
});
