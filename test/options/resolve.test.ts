import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OptionDeclarations } from "../../src/options/declaration.ts";
import type { OptionSources } from "../../src/options/find.ts";
import { resolveOptions } from "../../src/options/resolve.ts";
import { Problem } from "../../src/problem.ts";

const cloudflare = {
  apiToken: {
    type: "string",
    secret: true,
    required: true,
    env: ["CLOUDFLARE_API_TOKEN", "CF_DNS_API_TOKEN"],
    description: "A token with the permission DNS:Edit.",
  },
  ttl: { type: "integer", min: 60, max: 86_400, default: 120, description: "Seconds." },
  timeout: { type: "duration", default: "2m", description: "How long to wait." },
} as const satisfies OptionDeclarations;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "options-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

const config = (values: Record<string, unknown>) => ({
  values,
  path: join(folder, "config.yaml"),
  key: "solvers.cf",
});

async function resolve<const D extends OptionDeclarations>(
  declarations: D,
  from: Partial<OptionSources> = {},
) {
  const masked: string[] = [];
  const mask = (secret: string) => masked.push(secret);
  const resolved = await resolveOptions(declarations, { env: {}, cwd: folder, ...from, mask });
  return { ...resolved, masked };
}

describe("a map of secrets", () => {
  const webhook = {
    secretHeaders: { type: "map", secret: true, description: "Headers." },
  } as const satisfies OptionDeclarations;
  const variable = "ACMECTL_WEBHOOK_SECRET_HEADERS";

  test.each([
    ["commas", "X-Key=first-secret,X-Other=second-secret"],
    ["line ends", "X-Key=first-secret\nX-Other=second-secret"],
  ])("a secret map given by variable with %s is masked value by value", async (_, text) => {
    const { values, masked } = await resolve(webhook, {
      plugin: "webhook",
      env: { [variable]: text },
    });
    expect(values.secretHeaders).toEqual({ "X-Key": "first-secret", "X-Other": "second-secret" });
    expect(masked).toEqual(["first-secret", "second-secret"]);
  });

  test("a secret map takes a reference for each value, and for the whole", async () => {
    const file = join(folder, "headers");
    await writeFile(file, "X-Key=first-secret\nX-Other=env:OTHER\n");
    const env = { OTHER: "second-secret" };
    const each = { ...env, [variable]: "X-Key=env:OTHER" };
    expect(await resolve(webhook, { plugin: "webhook", env: each })).toMatchObject({
      values: { secretHeaders: { "X-Key": "second-secret" } },
      masked: ["second-secret"],
    });
    const whole = { ...env, [variable]: `file:${file}` };
    const { values, masked } = await resolve(webhook, { plugin: "webhook", env: whole });
    expect(values.secretHeaders).toEqual({ "X-Key": "first-secret", "X-Other": "env:OTHER" });
    expect(masked).toContain("first-secret");
  });
});

async function problemOf(promise: Promise<unknown>): Promise<Problem> {
  const error: unknown = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!Problem.is(error)) throw new Error(`Not a Problem: ${String(error)}`);
  return error;
}

async function messageOf(env: Record<string, string>): Promise<string> {
  return (await problemOf(resolve(cloudflare, { plugin: "cloudflare", env }))).message;
}

describe("where a value comes from", () => {
  const all = {
    plugin: "cloudflare",
    flags: { ttl: "61" } as Record<string, unknown>,
    env: { ACMECTL_CLOUDFLARE_TTL: "62", CLOUDFLARE_API_TOKEN: "from-cloudflare" } as Record<
      string,
      string
    >,
    config: undefined as OptionSources["config"],
  };

  test("a flag outranks the variable, the variable the config, the config the default", async () => {
    const from = { ...all, config: config({ ttl: 63 }) };
    const ttl = async (less: Partial<OptionSources>) => {
      const { values, sources } = await resolve(cloudflare, { ...from, ...less });
      return [values.ttl, sources["ttl"]];
    };
    const env = { CLOUDFLARE_API_TOKEN: "t" };
    expect(await ttl({})).toEqual([61, "--cloudflare-ttl"]);
    expect(await ttl({ flags: {} })).toEqual([62, "ACMECTL_CLOUDFLARE_TTL"]);
    expect(await ttl({ flags: {}, env })).toEqual([63, `${folder}/config.yaml: solvers.cf.ttl`]);
    expect(await ttl({ flags: {}, env, config: config({}) })).toEqual([120, "default"]);
  });

  test("a secret is read from our variable, its file, the provider's variables in order, their files, the config", async () => {
    await writeFile(join(folder, "token"), "in-a-file\n");
    const order: [string, string, string][] = [
      ["ACMECTL_CLOUDFLARE_API_TOKEN", "ours", "ours"],
      ["ACMECTL_CLOUDFLARE_API_TOKEN_FILE", "token", "in-a-file"],
      ["CLOUDFLARE_API_TOKEN", "theirs", "theirs"],
      ["CLOUDFLARE_API_TOKEN_FILE", join(folder, "token"), "in-a-file"],
      ["CF_DNS_API_TOKEN", "lego's", "lego's"],
    ];
    const env = Object.fromEntries(order.map(([name, value]) => [name, value]));
    for (const [name, , value] of order) {
      const { values, sources, masked } = await resolve(cloudflare, {
        plugin: "cloudflare",
        env,
        config: config({ apiToken: "in the config" }),
      });
      expect([sources["apiToken"], values.apiToken, masked]).toEqual([name, value, [value]]);
      delete env[name];
    }
    const { values } = await resolve(cloudflare, {
      env,
      config: config({ apiToken: "file:token" }),
    });
    expect(values.apiToken).toBe("in-a-file");
  });

  test("each value of a secret map given by variable is masked", async () => {
    const declarations = {
      secrets: { type: "map", secret: true, description: "Secret variables." },
    } as const satisfies OptionDeclarations;
    const env = { ACMECTL_EXEC_SECRETS: "USER=ops,PASSWORD=correct horse" };
    const { masked } = await resolve(declarations, { plugin: "exec", env });
    expect(masked).toEqual(expect.arrayContaining(["ops", "correct horse"]));
  });

  test("an empty variable counts as not set", async () => {
    const env = { ACMECTL_CLOUDFLARE_API_TOKEN: "", CF_DNS_API_TOKEN: "t" };
    const { sources } = await resolve(cloudflare, { plugin: "cloudflare", env });
    expect(sources["apiToken"]).toBe("CF_DNS_API_TOKEN");
  });

  test("with several solvers of one plugin, the environment fills in only what the config leaves open", async () => {
    const env = { ACMECTL_CLOUDFLARE_TTL: "600", CLOUDFLARE_API_TOKEN: "everyone's" };
    const from = { plugin: "cloudflare", env, config: config({ apiToken: "its own" }) };
    const { values } = await resolve(cloudflare, { ...from, configFirst: true });
    expect(values).toEqual({ apiToken: "its own", ttl: 600, timeout: 120_000 });
  });

  test("an option that ends in File keeps its variable from being the _FILE of its neighbour", async () => {
    const declarations = {
      key: { type: "string", description: "A key." },
      keyFile: { type: "path", description: "A copy of the key." },
    } as const satisfies OptionDeclarations;
    const { values } = await resolve(declarations, {
      env: { ACMECTL_KEY_FILE: "/no/such/key.pem" },
    });
    expect(values).toEqual({ key: undefined, keyFile: "/no/such/key.pem" });
  });

  test("a path is relative to what names it: the config's folder, or the working directory", async () => {
    const declarations = { directory: { type: "path", description: "The root." } } as const;
    const from = { cwd: "/srv", config: config({ directory: "www" }) };
    expect((await resolve(declarations, from)).values.directory).toBe(join(folder, "www"));
    const typed = await resolve(declarations, { ...from, flags: { directory: "www" } });
    expect(typed.values.directory).toBe("/srv/www");
  });
});

describe("what is wrong is told with its source, and what would be right", () => {
  test("the error for a value that does not parse names its source and what it takes", async () => {
    const env = { CLOUDFLARE_API_TOKEN: "t" };
    const from = { plugin: "cloudflare", env };
    const flag = await problemOf(resolve(cloudflare, { ...from, flags: { ttl: "five" } }));
    expect(flag.message).toBe(
      '--cloudflare-ttl is "five", which is not a whole number: it takes a whole number from 60 to 86400.',
    );
    expect(flag.is("usage")).toBe(true);
    const file = await problemOf(resolve(cloudflare, { ...from, config: config({ ttl: 5 }) }));
    expect(file.message).toBe(
      `${folder}/config.yaml: solvers.cf.ttl is 5, which is too small: it takes a whole number from 60 to 86400.`,
    );
    expect(file.is("config")).toBe(true);
  });

  test("the error for an unknown choice suggests the nearest one", async () => {
    const keyType = {
      type: "string",
      choices: ["ec256", "rsa2048"],
      description: "Kind.",
    } as const;
    const { message } = await problemOf(resolve({ keyType }, { flags: { keyType: "ec-256" } }));
    expect(message).toBe(
      '--key-type is "ec-256", which is not one of the choices: it takes one of ec256, rsa2048; did you mean ec256?',
    );
  });

  test("the error for a choice that is not near another suggests nothing", async () => {
    const logFormat = { type: "string", choices: ["text", "json"], description: "How." } as const;
    const { message } = await problemOf(resolve({ logFormat }, { flags: { logFormat: "xml" } }));
    expect(message).toBe(
      '--log-format is "xml", which is not one of the choices: it takes one of text, json.',
    );
  });

  test("the error for an empty list, or one with an empty element, quotes it as written", async () => {
    const domains = { type: "list", description: "Names." } as const;
    const wrong = (given: string[]) =>
      problemOf(resolve({ domains }, { flags: { domains: given } }));
    expect((await wrong([""])).message).toMatch(/^--domains is empty: it takes/);
    expect((await wrong(["a.example", ""])).message).toMatch(
      /^--domains is "a\.example", "", which has an empty element: /,
    );
  });

  test("the error for a missing option lists every way to give it", async () => {
    const problem = await problemOf(
      resolve(cloudflare, { plugin: "cloudflare", config: config({}) }),
    );
    expect(problem.message).toBe(
      "The solver cloudflare needs apiToken: A token with the permission DNS:Edit.",
    );
    expect(problem.hint).toBe(
      `Give ACMECTL_CLOUDFLARE_API_TOKEN, or CLOUDFLARE_API_TOKEN, or CF_DNS_API_TOKEN, or solvers.cf.apiToken in ${folder}/config.yaml. A secret can be given as env:NAME, file:/path or cmd:program args.`,
    );
    expect(problem.exitCode).toBe(2);
  });

  test("the error for an unknown key of the config suggests the nearest option", async () => {
    const env = { CLOUDFLARE_API_TOKEN: "t" };
    const from = { plugin: "cloudflare", env, config: config({ tll: 60 }) };
    const problem = await problemOf(resolve(cloudflare, from));
    expect(problem.message).toBe(
      `${folder}/config.yaml: solvers.cf.tll is not an option of the solver cloudflare.`,
    );
    expect(problem.hint).toMatch(/^Did you mean ttl\?/);
  });

  test("all errors are reported at once", async () => {
    const flags = { ttl: "five", timeout: "60" };
    const problem = await problemOf(resolve(cloudflare, { plugin: "cloudflare", flags }));
    expect(problem.message).toBe("3 options are invalid.");
    expect(problem.document.subproblems?.map(({ detail }) => detail)).toEqual([
      "The solver cloudflare needs apiToken: A token with the permission DNS:Edit.",
      '--cloudflare-ttl is "five", which is not a whole number: it takes a whole number from 60 to 86400.',
      '--cloudflare-timeout is "60", which is not a duration: it takes a duration such as 90s, 5m, 12h or 10d.',
    ]);
  });

  test("the error for a missing variable or an unreadable file names it", async () => {
    expect(await messageOf({ CLOUDFLARE_API_TOKEN: "env:NONE" })).toBe(
      "CLOUDFLARE_API_TOKEN: The variable NONE is not set.",
    );
    expect(await messageOf({ CLOUDFLARE_API_TOKEN_FILE: "/no/such/file" })).toBe(
      "CLOUDFLARE_API_TOKEN_FILE: cannot read /no/such/file: no such file or directory.",
    );
  });

  test("no error shows a secret, or a password in a URL", async () => {
    const declarations = {
      token: { type: "integer", secret: true, description: "A number." },
      url: { type: "list", choices: ["x"], description: "An address." },
    } as const satisfies OptionDeclarations;
    const env = { ACMECTL_TOKEN: "hunter2", ACMECTL_URL: "https://me:hunter2@example.com" };
    const problem = await problemOf(resolve(declarations, { env }));
    const [token, url] = problem.document.subproblems ?? [];
    expect(token?.detail).toBe("ACMECTL_TOKEN is not a whole number: it takes a whole number.");
    expect(url?.detail).not.toMatch(/hunter2/);
  });
});

describe("an option that stays a reference", () => {
  const declarations = {
    eabHmac: { type: "string", secret: true, reference: true, description: "The key." },
  } as const satisfies OptionDeclarations;
  const eabHmac = async (from: Partial<OptionSources>) => {
    const { values, masked } = await resolve(declarations, from);
    return [values.eabHmac, ...masked];
  };

  test("a reference given by flag becomes independent of the working directory", async () => {
    expect(await eabHmac({ flags: { eabHmac: "env:EAB" } })).toEqual(["env:EAB"]);
    expect(await eabHmac({ flags: { eabHmac: "file:key" } })).toEqual([`file:${folder}/key`]);
    expect(await eabHmac({ env: { ACMECTL_EAB_HMAC: "cmd:pass eab" } })).toEqual(["cmd:pass eab"]);
  });

  test("a secret in a variable becomes a reference to the variable or its file", async () => {
    await writeFile(join(folder, "eab"), "k3y\n");
    expect(await eabHmac({ env: { ACMECTL_EAB_HMAC: "k3y" } })).toEqual([
      "env:ACMECTL_EAB_HMAC",
      "k3y",
    ]);
    const env = { ACMECTL_EAB_HMAC_FILE: "eab" };
    expect(await eabHmac({ env })).toEqual([`file:${folder}/eab`, "k3y"]);
  });

  test("a secret given by flag is refused without repeating it", async () => {
    const problem = await problemOf(resolve(declarations, { flags: { eabHmac: "k3y" } }));
    expect(problem.message).toBe(
      "--eab-hmac is not a reference: it takes a reference to the secret: env:NAME, file:/path or cmd:program args.",
    );
  });
});

test.each(["env:", "file:", "cmd:"])("%s alone is refused and not masked", async (prefix) => {
  const declarations = {
    accountKey: { type: "string", secret: true, reference: true, description: "The key." },
  } as const satisfies OptionDeclarations;
  const masked: string[] = [];
  const mask = (secret: string) => masked.push(secret);
  await problemOf(resolve(declarations, { flags: { accountKey: prefix }, mask }));
  expect(masked).toEqual([]);
});

test("secrets inside a map and a JSON structure are resolved as well", async () => {
  const declarations = {
    headers: { type: "map", secret: true, description: "HTTP headers." },
    credentials: { type: "json", secret: true, description: "A service account." },
  } as const satisfies OptionDeclarations;
  await writeFile(join(folder, "account.json"), '{\n  "type": "service_account"\n}\n');
  const { values, masked } = await resolve(declarations, {
    env: { TOKEN: "t0ken" },
    config: config({ headers: { authorization: "env:TOKEN" }, credentials: "file:account.json" }),
  });
  expect(values).toEqual({
    headers: { authorization: "t0ken" },
    credentials: { type: "service_account" },
  });
  expect(masked).toContain("t0ken");
});
