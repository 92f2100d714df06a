import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { ReloadSetting } from "../../certificate.ts";
import { Problem } from "../../problem.ts";
import { commandTimeout, runCommand, type CommandTools } from "../command.ts";
import { searchPath, type Variables } from "../environment.ts";
import type { Redact } from "../secrets.ts";

/** Check the server's configuration and reload it: a server that would not come up again is left as it is. */
export async function reloadServer(
  { reload, config, timeout = commandTimeout }: ReloadSetting,
  env: Variables,
  redact: Redact,
  tools: CommandTools,
): Promise<void> {
  const plan = await planOf(reload, config, env);
  for (const [index, argv] of plan.entries()) {
    const checks = index < plan.length - 1;
    const title = `${checks ? "The check of" : "The reload of"} ${reload} (${argv.join(" ")})`;
    await runCommand({ title, argv, env, timeout }, redact, tools);
  }
}

/** A program of the server and its commands: the check first, the reload last. */
interface Way {
  readonly program: string;
  readonly commands: (program: string, config: string | undefined) => readonly Argv[];
}
type Argv = readonly [program: string, ...words: string[]];

const ways: Readonly<Record<ReloadSetting["reload"], readonly Way[]>> = {
  nginx: [
    {
      program: "nginx",
      commands: (program, config) => [
        [program, "-t", "-q", ...given("-c", config)],
        [program, "-s", "reload", ...given("-c", config)],
      ],
    },
  ],
  // Debian calls it apache2ctl, others apachectl; where neither is, the server's own program does the same.
  apache: ["apache2ctl", "apachectl", "httpd"].map((program) => ({
    program,
    commands: (program, config) => [
      [program, ...given("-f", config), "-t"],
      [program, ...given("-f", config), "-k", "graceful"],
    ],
  })),
  // HAProxy has no reload command of its own: its init system signals the master process.
  haproxy: ["systemctl", "rc-service", "service"].map((init) => ({
    program: init,
    commands: (program, config = "/etc/haproxy/haproxy.cfg") => [
      ["haproxy", "-c", "-q", "-f", config],
      init === "systemctl" ? [program, "reload", "haproxy"] : [program, "haproxy", "reload"],
    ],
  })),
  postfix: [
    {
      program: "postfix",
      commands: (program, config) => [
        [program, ...given("-c", config), "check"],
        [program, ...given("-c", config), "reload"],
      ],
    },
  ],
  // `doveconf -h` with one setting reads all of the configuration and prints that one.
  dovecot: [
    {
      program: "doveadm",
      commands: (program, config) => [
        ["doveconf", ...given("-c", config), "-h", "protocols"],
        [program, ...given("-c", config), "reload"],
      ],
    },
  ],
  // Caddy does nothing when its configuration is the same text, though the files that it names are others: hence --force.
  caddy: [
    {
      program: "caddy",
      commands: (program, config = "/etc/caddy/Caddyfile") => [
        [program, "validate", "--config", config],
        [program, "reload", "--force", "--config", config],
      ],
    },
  ],
};

function given(flag: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [flag, value];
}

async function planOf(
  server: ReloadSetting["reload"],
  config: string | undefined,
  env: Variables,
): Promise<readonly (readonly string[])[]> {
  for (const { program, commands } of ways[server]) {
    const found = await findProgram(program, env);
    if (found === undefined) continue;
    const plan = commands(found, config);
    return Promise.all(
      plan.map(async ([first, ...words]) => [
        first === found ? found : await needProgram(first, server, env),
        ...words,
      ]),
    );
  }
  throw missing(ways[server].map(({ program }) => program).join(", "), server, env);
}

async function needProgram(
  program: string,
  server: ReloadSetting["reload"],
  env: Variables,
): Promise<string> {
  const found = await findProgram(program, env);
  if (found === undefined) throw missing(program, server, env);
  return found;
}

async function findProgram(program: string, env: Variables): Promise<string | undefined> {
  for (const folder of searchPath(env["PATH"]).split(delimiter)) {
    const path = join(folder, program);
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runs) return path;
  }
  return undefined;
}

function missing(programs: string, server: ReloadSetting["reload"], env: Variables): Problem {
  return new Problem("deploy", {
    detail: `Cannot reload ${server}: ${programs} was not found in ${searchPath(env["PATH"])}.`,
    hint: `Install ${server}, or reload it by a command if it runs in a container or under another name: run: "…".`,
  });
}
