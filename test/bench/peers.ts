/** Other clients, as they are installed; their certificates have P-256 keys, too. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { find, program as installed } from "../support/servers/catalog.ts";
import type { Program } from "./measure.ts";
import type { Job } from "./scenarios.ts";

type Peer = (job: Job, state: (round: number) => string) => Omit<Program, "name">;

export function peerPrograms(job: Job): readonly Program[] {
  return peers().map(([name, peer]) => {
    const state = (round: number) => join(job.folder, job.anew ? `${name}-${round}` : name);
    const { env, ...rest } = peer(job, state);
    return { name: titleOf(name), ...rest, env: { ...installed(name).env, ...env } };
  });
}

/** `certbot 5.8.0`, … */
export function peerNames(): readonly string[] {
  return peers().map(([name]) => titleOf(name));
}

/** Those that this machine has. */
function peers(): readonly (readonly [string, Peer])[] {
  const all = Object.entries({ "lego-4": lego, certbot, uacme, dehydrated });
  return all.filter(([name]) => find(name) !== undefined && (name !== "uacme" || canMount));
}

function titleOf(name: string): string {
  const { file, env } = installed(name);
  const { stdout, stderr } = spawnSync(file, ["--version"], { env: { ...process.env, ...env } });
  const [version] = /\d+\.\d+(\.\d+)*/.exec(String(stdout) + String(stderr)) ?? [];
  return [name.replace(/-\d$/, ""), version].join(" ").trim();
}

const email = "bench@example.test";

function lego(job: Job, state: (round: number) => string): Omit<Program, "name"> {
  const { directoryUrl, rootFile, httpPort, names, program } = job;
  // By default one name a minute, and a look at CNAMEs.
  const exec = { EXEC_SEQUENCE_INTERVAL: "0", LEGO_DISABLE_CNAME_SUPPORT: "true" };
  return {
    env: { LEGO_CA_CERTIFICATES: rootFile, EXEC_PATH: program ?? "", ...exec },
    prepare: (round) => [
      find("lego-4") ?? "",
      ...["--server", directoryUrl, "--email", email, "--accept-tos", "--path", state(round)],
      ...names(round).flatMap((name) => ["--domains", name]),
      ...(program === undefined
        ? ["--http", "--http.port", `:${httpPort}`]
        : ["--dns", "exec", "--dns.propagation-wait", "1ms"]),
      "run",
    ],
  };
}

function certbot(job: Job, state: (round: number) => string): Omit<Program, "name"> {
  const { directoryUrl, rootFile, httpPort, names, program } = job;
  const hook = `${program} present "_acme-challenge.$CERTBOT_DOMAIN." "$CERTBOT_VALIDATION"`;
  return {
    env: { REQUESTS_CA_BUNDLE: rootFile },
    prepare(round) {
      const path = state(round);
      mkdirSync(path, { recursive: true });
      return [
        find("certbot") ?? "",
        ...["certonly", "-n", "--agree-tos", "--email", email, "--server", directoryUrl],
        ...["--config-dir", path, "--work-dir", path, "--logs-dir", path],
        ...["--no-random-sleep-on-renew", "-d", names(round).join(",")],
        ...(program === undefined
          ? ["--standalone", "--http-01-port", `${httpPort}`]
          : ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", hook]),
      ];
    },
  };
}

/** It trusts the system's authorities alone, so the CA's takes their place in a mount namespace. */
function uacme(job: Job, state: (round: number) => string): Omit<Program, "name"> {
  const { directoryUrl, rootFile, names, folder, program } = job;
  const authorities = join(folder, "authorities");
  mkdirSync(authorities, { recursive: true });
  writeFileSync(join(authorities, "ca.pem"), readFileSync(rootFile));
  const hook = join(folder, "uacme-hook.sh");
  const tokens = tokensIn(folder);
  const present =
    program === undefined
      ? `"begin http-01") printf %s "$5" > ${tokens}/"$4";;`
      : `"begin dns-01") exec ${program} present "_acme-challenge.$3." "$5";;`;
  writeFileSync(hook, `#!/bin/sh\ncase "$1 $2" in\n${present}\nbegin*) exit 1;;\nesac\n`, {
    mode: 0o755,
  });
  return {
    beside: () => serve(job),
    prepare(round) {
      const path = state(round);
      const client = [installed("uacme").file, "-y", "-c", path, "-a", directoryUrl];
      const issue = [...client, "-h", hook, "-t", "EC", "issue", ...names(round)].join(" ");
      const all = existsSync(path) ? issue : `${[...client, "new", email].join(" ")} && ${issue}`;
      return [...mounting, `mount --bind ${authorities} /etc/ssl/certs && ${all}`];
    },
  };
}

const mounting = [
  "unshare",
  "--mount",
  ...(process.getuid?.() === 0 ? [] : ["--map-root-user"]),
  "sh",
  "-c",
];
const [unshare = "", ...unshareWords] = mounting;
const canMount = spawnSync(unshare, [...unshareWords, "mount --bind /tmp /mnt"]).status === 0;

function dehydrated(job: Job, state: (round: number) => string): Omit<Program, "name"> {
  const { directoryUrl, rootFile, names, folder, program } = job;
  const hook = join(folder, "dehydrated-hook.sh");
  const deploy = `exec ${program} present "_acme-challenge.$2." "$4"`;
  writeFileSync(hook, `#!/bin/sh\n[ "$1" != deploy_challenge ] || ${deploy}\n`, { mode: 0o755 });
  return {
    beside: () => serve(job),
    prepare(round) {
      const path = state(round);
      const isNew = !existsSync(path);
      mkdirSync(path, { recursive: true });
      const settings = {
        CA: directoryUrl,
        CURL_OPTS: `--cacert ${rootFile}`,
        BASEDIR: path,
        WELLKNOWN: tokensIn(folder),
        CONTACT_EMAIL: email,
        KEY_ALGO: "prime256v1",
        ...(program === undefined ? {} : { CHALLENGETYPE: "dns-01", HOOK: hook }),
      };
      const lines = Object.entries(settings).map(([key, value]) => `${key}="${value}"\n`);
      writeFileSync(join(path, "config"), lines.join(""));
      const client = `${installed("dehydrated").file} --config ${path}/config`;
      const domains = names(round).map((name) => `--domain ${name}`);
      const issue = [client, "--cron", ...domains].join(" ");
      return ["sh", "-c", isNew ? `${client} --register --accept-terms && ${issue}` : issue];
    },
  };
}

function tokensIn(folder: string): string {
  const tokens = join(folder, "tokens");
  mkdirSync(tokens, { recursive: true });
  return tokens;
}

/** A web server, for clients that have none of their own. */
async function serve({ folder, httpPort }: Job): Promise<AsyncDisposable> {
  const server = createServer((request, response) => {
    const file = join(tokensIn(folder), request.url?.split("/").at(-1) ?? "");
    if (existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  }).listen(httpPort);
  await once(server, "listening");
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
