import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../support/run.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "completion-"));
  await writeFile(join(folder, "acmectl.bash"), (await run("completion bash")).stdout);
  await writeFile(join(folder, "my request.csr"), "");
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

/** What bash offers at Tab behind these words; the last one is still being typed. */
async function offered(...words: readonly string[]): Promise<readonly string[]> {
  const script = `source ./acmectl.bash
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _acmectl
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const args = ["--norc", "-c", script, "bash", "acmectl", ...words];
  const { stdout, stderr } = await promisify(execFile)("bash", args, {
    cwd: folder,
    env: { PATH: `${folder}:${process.env["PATH"] ?? ""}` },
  });
  expect(stderr).toBe("");
  return stdout.split("\n").filter((word) => word !== "");
}

test("bash completes commands, subcommands, and the flags of the typed command", async () => {
  expect(await offered("iss")).toEqual(["issue"]);
  expect(await offered("account", "")).toContain("register");
  expect(await offered("account", "register", "--agree")).toEqual(["--agree-tos"]);
  expect(await offered("issue", "-d", "example.com", "--standal")).toEqual(["--standalone"]);
  expect(await offered("list", "--standal")).toEqual([]);
});

test("bash completes the values of a flag, and files for a flag that takes a path", async () => {
  expect(await offered("issue", "--key-type", "ec")).toEqual(["ec256", "ec384"]);
  expect(await offered("--log-format", "")).toEqual(["text", "json"]);
  expect(await offered("issue", "--csr", "my")).toEqual(["my request.csr"]);
});

test("zsh and fish complete the same commands and flags, with descriptions", async () => {
  const zsh = (await run("completion zsh")).stdout;
  expect(zsh).toMatch(/^#compdef acmectl\n/);
  expect(zsh).toMatch(/'\*--key-type=\[.*\]:value:\(ec256 ec384 rsa2048 rsa3072 rsa4096\)'/);
  const fish = (await run("completion fish")).stdout;
  expect(fish).toMatch(
    /^complete -c acmectl -n '__fish_seen_subcommand_from issue' -l key-type -r -f -a 'ec256 /m,
  );
  for (const script of [zsh, fish]) expect(script).toMatch(/CA'\\''s terms of service/);
});

test("completion looks up what this machine has: certificates, CAs, solvers, notifiers and config keys", async () => {
  const config = join(folder, "config.yaml");
  await writeFile(
    config,
    `issuers: { office: { server: letsencrypt } }
solvers: { front: { use: webroot, directory: /srv } }
certificates: { shop: { domains: [shop.example.com] } }
notify: { ops: { email: ops@example.com } }
`,
  );
  const offers = async (what: string, file = config) =>
    (await run(`completion --offers ${what} --config ${file} --state ${folder}/none`)).stdout.split(
      "\n",
    );
  expect(await offers("certificates")).toEqual(["shop", ""]);
  expect(await offers("servers")).toEqual(expect.arrayContaining(["letsencrypt", "office"]));
  expect(await offers("solvers")).toEqual(expect.arrayContaining(["front", "route53"]));
  expect(await offers("notifiers")).toEqual(["ops", ""]);
  const keys = await offers("keys");
  expect(keys).toEqual(
    expect.arrayContaining(["certificates.shop.domains", "certificates.shop.keyType"]),
  );
  await writeFile(join(folder, "broken.yaml"), "certificates: [");
  expect(await offers("servers", join(folder, "broken.yaml"))).toContain("letsencrypt");
});

test("bash completes names of certificates with the state that is typed", async () => {
  const shim = join(folder, "acmectl");
  await writeFile(
    shim,
    '#!/bin/sh\n[ "$*" = "completion --offers certificates --state /x" ] && echo shop\n',
    {
      mode: 0o755,
    },
  );
  expect(await offered("deploy", "--state", "/x", "sh")).toEqual(["shop"]);
  expect(await offered("deploy", "--state", "=", "/x", "sh")).toEqual(["shop"]);
});

test("bash runs nothing that is in a key of the config", async () => {
  const shim = join(folder, "acmectl");
  await writeFile(shim, "#!/bin/sh\necho '$(touch ran)' '`touch ran`' '*'\n", { mode: 0o755 });
  expect(await offered("config", "get", "")).toEqual(["$(touch", "ran)", "`touch", "ran`", "*"]);
  expect(await readdir(folder)).not.toContain("ran");
});

test("completion for an unknown shell fails and lists the known shells", async () => {
  const { code, stdout, stderr } = await run("completion tcsh");
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(
    /no completion script for the shell "tcsh"\.\nHint: Choose one of bash, zsh, fish\./,
  );
});
