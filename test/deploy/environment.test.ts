import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import {
  certificateVariables,
  inheritedEnvironment,
  problemVariables,
  runVariables,
} from "../../src/deploy/environment.ts";
import { openHooks } from "../../src/deploy/hooks.ts";
import { describeOption } from "../../src/options/describe.ts";
import { openMask } from "../../src/mask.ts";
import { Problem } from "../../src/problem.ts";
import { builtInSolvers, loadSolver } from "../../src/solvers/registry.ts";
import { requestOf } from "../state/material.ts";
import { name, openWorld, shell } from "./world.ts";

test("scripts written for certbot and lego find their files and domains", async () => {
  const world = await openWorld();
  const out = world.at("out");
  await world.want(
    [
      shell(
        `test -s "$RENEWED_LINEAGE/fullchain.pem" && test -s "$RENEWED_LINEAGE/privkey.pem" && echo "$RENEWED_DOMAINS" > ${out}`,
      ),
      shell(
        `cmp "$LEGO_HOOK_CERT_KEY_PATH" "$ACMECTL_HOOK_KEY" && cmp "$LEGO_CERT_PATH" "$ACMECTL_HOOK_FULLCHAIN" && echo "$LEGO_HOOK_CERT_DOMAINS" >> ${out}`,
      ),
      shell(`env > ${out}.env`),
    ],
    {
      identifiers: [
        { type: "dns", value: "shop.example.com" },
        { type: "dns", value: "*.shop.example.com" },
      ],
    },
  );
  expect(await world.deploy()).toBeUndefined();
  expect(await readFile(out, "utf8")).toBe(
    "shop.example.com *.shop.example.com\nshop.example.com,*.shop.example.com\n",
  );
  const env = await readFile(`${out}.env`, "utf8");
  const { held } = await world.read();
  expect(env).toContain(`ACMECTL_HOOK_SERIAL=${held?.meta.serial}\n`);
  expect(env).toContain("ACMECTL_HOOK_NOT_AFTER=2026-04-01T00:00:00.000Z\n");
  expect(env).toContain("ACMECTL_HOOK_EVENT=deploy\n");
  expect(env).toContain(`ACMECTL_HOOK_NAME=${name}\n`);
});

test("variables of other clients lead to files that are named as those clients name them", async () => {
  const world = await openWorld();
  const out = world.at("out");
  const names = "RENEWED_LINEAGE LEGO_CERT_PATH LEGO_CERT_KEY_PATH LEGO_ISSUER_CERT_PATH";
  const acmeSh = "CERT_PATH CERT_KEY_PATH CA_CERT_PATH CERT_FULLCHAIN_PATH";
  const line = `for v in ${names} ${acmeSh}; do eval "p=\\$$v"; echo "$v=$(basename "$p")"; test -r "$p" || exit 1; done > ${out}`;
  const lists = `echo "$Le_Domain $Le_Domains $Le_Alt" >> ${out}; ls "$RENEWED_LINEAGE" >> ${out}`;
  await world.want([shell(line), shell(lists)], {
    identifiers: [
      { type: "dns", value: "shop.example.com" },
      { type: "dns", value: "www.example.com" },
    ],
  });
  expect(await world.deploy()).toBeUndefined();
  expect((await readFile(out, "utf8")).trim().split("\n")).toEqual([
    "RENEWED_LINEAGE=shop",
    "LEGO_CERT_PATH=shop.crt",
    "LEGO_CERT_KEY_PATH=shop.key",
    "LEGO_ISSUER_CERT_PATH=shop.issuer.crt",
    "CERT_PATH=shop.cer",
    "CERT_KEY_PATH=shop.key",
    "CA_CERT_PATH=ca.cer",
    "CERT_FULLCHAIN_PATH=fullchain.cer",
    "shop.example.com shop.example.com,www.example.com www.example.com",
    ...["cert.pem", "chain.pem", "fullchain.pem", "privkey.pem"],
  ]);
});

test("two certificates whose hooks name files after RENEWED_LINEAGE get two files", async () => {
  const world = await openWorld();
  const run = shell(
    `cat "$RENEWED_LINEAGE/fullchain.pem" > "${world.folder}/$(basename "$RENEWED_LINEAGE").pem"`,
  );
  await world.want([run]);
  expect(await world.deploy()).toBeUndefined();
  expect(await readdir(world.folder)).toContain("shop.pem");
});

test("a second version is seen through the same lineage, and a deleted certificate leaves no links", async () => {
  const world = await openWorld();
  const { certificates, where } = world.tools.store;
  const before = await certificates.foreignFiles(name);
  const { privateKey } = await world.issue();
  expect(await certificates.foreignFiles(name)).toEqual(before);
  expect(await readFile(`${before?.lineage}/privkey.pem`, "utf8")).toContain(privateKey.trim());
  await certificates.remove(name);
  const left = await readdir(join(where, "links"), { recursive: true });
  expect(left.filter((entry) => entry.includes("shop"))).toEqual([]);
});

test("hooks get neither acmectl's variables nor secrets, and a PATH longer than cron's", () => {
  const request = {
    ...requestOf("shop"),
    issuer: { server: "https://ca.example", agreeTos: true, eabHmac: "env:EAB" },
    solvers: [{ name: "cf", use: "cloudflare", options: { deep: { apiToken: "env:CF_TOKEN" } } }],
    hooks: { deploy: [{ pkcs12: { path: "/x.p12", password: "env:STORE" } }] },
  };
  const env = {
    ACMECTL_CLOUDFLARE_API_TOKEN: "secret",
    ACMECTL_STATE: "/state",
    CF_TOKEN: "secret",
    EAB: "secret",
    HOME: "/root",
    PATH: "/opt/bin:/usr/bin:/bin",
    STORE: "secret",
    UNSET: undefined,
  };
  const inherited = inheritedEnvironment({ env }, [request]);
  expect(JSON.stringify(inherited)).not.toContain("secret");
  expect(inherited).toMatchObject({ ACMECTL_STATE: "/state", HOME: "/root" });
  expect(inherited["PATH"]).toMatch(/^\/opt\/bin:\/usr\/bin:\/bin:.*\/usr\/sbin/);
});

test("hooks get the place of the state without its password", () => {
  const env = { ACMECTL_STATE: "postgres://ada:s3cret@db.example.com/state" };
  expect(inheritedEnvironment({ env }, [])).toMatchObject({
    ACMECTL_STATE: "postgres://ada@db.example.com/state",
  });
});

test("hooks get no variable that any built-in solver reads a secret from", async () => {
  const secrets: string[] = [];
  for (const solver of await builtInSolvers()) {
    const { plugin } = await loadSolver(solver, { cwd: "/" });
    for (const [option, declaration] of Object.entries(plugin.options ?? {})) {
      if (declaration.secret !== true) continue;
      secrets.push(...describeOption(option, declaration, solver).variables);
    }
  }
  expect(secrets).toEqual(
    expect.arrayContaining(["CLOUDFLARE_API_TOKEN", "AZURE_CLIENT_SECRET", "ACMEDNS_PASSWORD"]),
  );
  const env = Object.fromEntries(secrets.map((variable) => [variable, "s3cret"]));
  expect(Object.keys(inheritedEnvironment({ env }, [])), "but PATH").toEqual(["PATH"]);
});

test("hooks get no secrets of other programs and certificates, but keep paths and harmless names", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const mask = openMask();
  mask.add("told to be secret");
  const env = {
    ACCOUNT_KEY: "s3cret",
    ANY: String(privateKey.export({ type: "pkcs8", format: "pem" })),
    AWS_SECRET_ACCESS_KEY: "s3cret",
    AWS_SESSION_TOKEN: "s3cret",
    CF_Key: "s3cret",
    DEBFULLNAME: "told to be secret",
    GCE_SERVICE_ACCOUNT: JSON.stringify({ private_key: "-----BEGIN PRIVATE KEY-----\nMII" }),
    GITHUB_PAT: "s3cret",
    MYSQL_PWD: "s3cret",
    OTHERS: "s3cret",
    PGPASSWORD: "s3cret",
    SSHPASS: "s3cret",
    XYZ_API_KEY: "s3cret",
  };
  const kept = {
    AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/token",
    CREDENTIALS_DIRECTORY: "/run/credentials/acmectl.service",
    EMPTY: "",
    GIT_ASKPASS: "/usr/bin/askpass",
    KEYBOARD: "de",
    LANG: "C.UTF-8",
    OLDPWD: "/",
    PWD: "/root",
    SSH_AUTH_SOCK: "/run/agent",
    XAUTHORITY: "/root/.Xauthority",
    XPATH_COMPAT: "1",
  };
  const other = {
    ...requestOf("other"),
    solvers: [{ name: "cf", use: "cloudflare", options: { apiToken: "env:OTHERS" } }],
  };
  const from = { env: { ...env, ...kept }, redact: mask.text, requests: [other] };
  const { PATH: _, ...inherited } = inheritedEnvironment(from, [requestOf("shop")]);
  expect(inherited).toEqual(kept);
});

test("passEnv gives a hook or step a secret, and it is hidden in their output", async () => {
  const env = { PATH: process.env["PATH"], MAIL_TOKEN: "hunter2-hunter2", OTHER_TOKEN: "s3cret" };
  const world = await openWorld([], { env });
  const out = world.at("out");
  const command = `env > ${out}; echo "sent by $MAIL_TOKEN"; exit 3`;
  await world.want([shell(command, { passEnv: ["MAIL_TOKEN", "NEVER_SET"] })]);
  const problem = await world.deploy();
  expect(problem?.message).toContain("sent by ***");
  expect(JSON.stringify(await world.states())).not.toContain("hunter2");
  expect(await readFile(out, "utf8")).toContain("MAIL_TOKEN=hunter2-hunter2\n");
  expect(await readFile(out, "utf8")).not.toContain("s3cret");
  const request = {
    ...requestOf(name),
    hooks: { failure: [shell(command, { passEnv: ["OTHER_TOKEN"] }), shell(`env > ${out}.all`)] },
  };
  await openHooks(world.tools).failure(request, new Error("a bug"));
  const all = await readFile(`${out}.all`, "utf8");
  expect(all).toContain("ACMECTL_HOOK_EVENT=failure");
  expect(all).not.toMatch(/hunter2|s3cret/);
  expect(await readFile(out, "utf8")).toContain("OTHER_TOKEN=s3cret\n");
  expect(world.lines.join("\n")).not.toMatch(/hunter2|s3cret/);
});

test("a combined file and a key store have lego's variables", () => {
  const request = {
    ...requestOf("shop"),
    hooks: {
      deploy: [
        { copy: { combined: "/etc/haproxy/shop.pem" } },
        { pkcs12: { path: "/etc/shop.p12", password: "env:P" } },
      ],
    },
  };
  const files = {
    certificate: "/s/cert.pem",
    chain: "/s/chain.pem",
    fullchain: "/s/fullchain.pem",
  };
  const meta = { serial: "1", fingerprint: "2", notBefore: "3", notAfter: "4", account: "5" };
  const foreign = { lineage: "/links/live/shop", lego: files, acmeSh: files };
  const held = { meta, files, foreign } as unknown as Parameters<typeof certificateVariables>[2];
  expect(certificateVariables("deploy", request, held)).toMatchObject({
    LEGO_HOOK_CERT_PEM_PATH: "/etc/haproxy/shop.pem",
    LEGO_HOOK_CERT_PFX_PATH: "/etc/shop.p12",
    LEGO_CERT_PFX_PATH: "/etc/shop.p12",
    RENEWED_LINEAGE: "/links/live/shop",
  });
});

test("the CA's text in a hook's variable is neutralised", async () => {
  const problem = new Problem("urn:ietf:params:acme:error:caa", {
    detail: "$(touch /tmp/x)\0`id`\n\u001B[31m",
    hint: "Look at the CAA records.",
  });
  const variables = problemVariables(problem);
  expect(variables["ACMECTL_HOOK_PROBLEM_DETAIL"]).toBe("$(touch /tmp/x) `id`  [31m");
  expect(variables).toMatchObject({
    ACMECTL_HOOK_EXIT_CODE: "5",
    ACMECTL_HOOK_PROBLEM_HINT: "Look at the CAA records.",
    ACMECTL_HOOK_PROBLEM_TYPE: "urn:ietf:params:acme:error:caa",
  });
  const failed = certificateVariables("failure", requestOf("shop"), undefined);
  expect(failed).toMatchObject({ FAILED_DOMAINS: "shop.example.com" });
  expect(failed["RENEWED_LINEAGE"]).toBeUndefined();
});

test("a list of names too long for a variable is cut after a name", () => {
  const many = Array.from({ length: 5000 }, (_, index) => ({
    ...requestOf(`${index}`),
    identifiers: [{ type: "dns" as const, value: `host-${index}.with-a-long-name.example.com` }],
  }));
  const { RENEWED_DOMAINS = "", FAILED_DOMAINS } = runVariables(many, []);
  expect(RENEWED_DOMAINS.length).toBeLessThan(128 * 1024);
  expect(RENEWED_DOMAINS.endsWith(".example.com")).toBe(true);
  expect(FAILED_DOMAINS).toBe("");
});
