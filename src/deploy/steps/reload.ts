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
  setting: ReloadSetting,
  env: Variables,
  redact: Redact,
  tools: CommandTools,
): Promise<void> {
  const { reload, timeout = commandTimeout } = setting;
  const plan = await planOf(setting, env);
  for (const [index, argv] of plan.entries()) {
    const checks = index < plan.length - 1;
    const title = `${checks ? "The check of" : "The reload of"} ${reload} (${argv.join(" ")})`;
    await runCommand({ title, argv, env, timeout }, redact, tools);
  }
}

/** The commands of a server, where the program of `reload` is installed. In both, `@` is where the configuration is named. */
interface Way {
  readonly check: string;
  readonly reload: string;
  readonly flag: string;
  /** The configuration to name when none is given. */
  readonly usual?: string;
}

const ways: Readonly<Record<ReloadSetting["reload"], readonly Way[]>> = {
  nginx: [{ check: "nginx -t -q @", reload: "nginx -s reload @", flag: "-c" }],
  // Debian calls it apache2ctl, others apachectl; where neither is, the server's own program does the same.
  apache: ["apache2ctl", "apachectl", "httpd"].map((program) => ({
    check: `${program} @ -t`,
    reload: `${program} @ -k graceful`,
    flag: "-f",
  })),
  // HAProxy has no reload command of its own: its init system signals the master process.
  haproxy: ["systemctl reload haproxy", "rc-service haproxy reload", "service haproxy reload"].map(
    (reload) => ({
      check: "haproxy -c -q @",
      reload,
      flag: "-f",
      usual: "/etc/haproxy/haproxy.cfg",
    }),
  ),
  postfix: [{ check: "postfix @ check", reload: "postfix @ reload", flag: "-c" }],
  // `doveconf -h` with one setting reads all of the configuration and prints that one.
  dovecot: [{ check: "doveconf @ -h protocols", reload: "doveadm @ reload", flag: "-c" }],
  // Caddy does nothing when its configuration is the same text, though the files that it names are others: hence --force.
  caddy: [
    {
      check: "caddy validate @",
      reload: "caddy reload --force @",
      flag: "--config",
      usual: "/etc/caddy/Caddyfile",
    },
  ],
};

const programOf = ({ reload }: Way): string => reload.split(" ", 1)[0] ?? "";

async function planOf(
  setting: ReloadSetting,
  env: Variables,
): Promise<readonly (readonly string[])[]> {
  for (const way of ways[setting.reload]) {
    if ((await findProgram(programOf(way), env)) === undefined) continue;
    return Promise.all([way.check, way.reload].map((line) => argvOf(line, way, setting, env)));
  }
  throw missing(ways[setting.reload].map(programOf).join(", "), setting, env);
}

async function argvOf(
  line: string,
  { flag, usual }: Way,
  setting: ReloadSetting,
  env: Variables,
): Promise<readonly string[]> {
  const { config = usual } = setting;
  const [program = "", ...words] = line.split(" ");
  const found = await findProgram(program, env);
  if (found === undefined) throw missing(program, setting, env);
  const named = config === undefined ? [] : [flag, config];
  return [found, ...words.flatMap((word) => (word === "@" ? named : [word]))];
}

async function findProgram(program: string, env: Variables): Promise<string | undefined> {
  for (const folder of searchPath(env["PATH"]).split(delimiter)) {
    const path = join(folder, program);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return undefined;
}

function missing(programs: string, { reload }: ReloadSetting, env: Variables): Problem {
  return new Problem("deploy", {
    detail: `Cannot reload ${reload}: ${programs} was not found in ${searchPath(env["PATH"])}.`,
    hint: `Install ${reload}, or reload it by a command if it runs in a container or under another name: run: "…".`,
  });
}
