/** OpenSSH's server as an ordinary process: one user, whose home, keys and known hosts are in a temporary folder. */
import { execFile } from "node:child_process";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { program } from "./catalog.ts";
import { startProcess, withFreePort, type RunningProcess } from "./process.ts";

const run = promisify(execFile);

export interface Sshd extends RunningProcess {
  readonly port: number;
  /** Its user's, in which commands run. */
  readonly home: string;
  /** For `ssh -F`: two hosts, `web1` and `web2`, which are this server, and `closed`, which is nowhere. */
  readonly clientConfig: string;
}

/** Where root starts it, the server runs as another user, since it wants a system account for itself otherwise. */
export async function startSshd(folder: string): Promise<Sshd> {
  const [home, keys] = [join(folder, "ssh-home"), join(folder, "ssh-keys")];
  await mkdir(home);
  await mkdir(keys);
  const at = (name: string) => join(keys, name);
  for (const name of ["host", "user"])
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", at(name)]);
  await writeFile(at("authorized_keys"), await readFile(at("user.pub")));
  const isRoot = process.getuid?.() === 0;
  const uid = isRoot ? other : process.getuid?.();
  const { env } = program("sshd");
  await writeFile(at("passwd"), `web:x:${uid}:${uid}::${home}:/bin/sh\n`);
  await writeFile(at("group"), `web:x:${uid}:\n`);
  if (isRoot) await Promise.all([home, keys, at("host")].map((path) => chown(path, other, other)));
  await chmod(folder, 0o755);
  const wrapper = {
    ...env,
    LD_PRELOAD: "libnss_wrapper.so",
    NSS_WRAPPER_PASSWD: at("passwd"),
    NSS_WRAPPER_GROUP: at("group"),
  };
  return withFreePort(async (port) => {
    await writeFile(at("sshd_config"), serverConfig(port, at));
    const running = await startProcess({
      program: "sshd",
      args: ["-D", "-e", "-r", "-f", at("sshd_config")],
      env: wrapper,
      uid: isRoot ? other : undefined,
      ready: (log) => log.includes("Server listening"),
    });
    const host = (await readFile(at("host.pub"), "utf8")).split(" ").slice(0, 2).join(" ");
    await writeFile(at("known_hosts"), `[127.0.0.1]:${port} ${host}\n`);
    await writeFile(at("config"), clientConfig(port, at));
    return { ...running, port, home, clientConfig: at("config") };
  });
}

/** nobody */
const other = 65_534;

function serverConfig(port: number, at: (name: string) => string): string {
  return [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${at("host")}`,
    `AuthorizedKeysFile ${at("authorized_keys")}`,
    "PidFile none",
    "UsePAM no",
    "StrictModes no",
    "PasswordAuthentication no",
    "",
  ].join("\n");
}

function clientConfig(port: number, at: (name: string) => string): string {
  const server = ["Hostname 127.0.0.1", `Port ${port}`, "User web"];
  return [
    "Host web1 web2",
    ...server,
    "Host stranger",
    ...server,
    "UserKnownHostsFile /dev/null",
    "Host closed",
    "Hostname 127.0.0.1",
    "Port 1",
    "Host *",
    `IdentityFile ${at("user")}`,
    "IdentitiesOnly yes",
    `UserKnownHostsFile ${at("known_hosts")}`,
    "GlobalKnownHostsFile /dev/null",
    "",
  ].join("\n");
}
