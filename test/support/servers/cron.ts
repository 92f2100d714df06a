/**
 * Debian's cron, started in namespaces of its own: the crontabs, the pid file and the system's own jobs of the machine are
 * covered by empty file systems, so that it can neither see nor change them.
 */
import { execFile, execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { available, debianFolder, find, program } from "./catalog.ts";

/** True where cron is installed and this user may make mount namespaces; otherwise says on stderr what is left out. */
export function cronAvailable(): boolean {
  if (!available("cron")) return false;
  try {
    if (process.getuid?.() !== 0) throw new Error("not root");
    execFileSync(find("unshare") ?? "", ["--mount", "--pid", "--fork", "--kill-child", "true"], {
      stdio: "ignore",
    });
    return true;
  } catch {
    process.stderr.write("skipped: tests with cron (root and mount namespaces are needed)\n");
    return false;
  }
}

const isolation = `set -eu
mount --make-rprivate /
mount -t tmpfs none /run
mount -t tmpfs none /var/spool
mkdir -p /var/spool/cron/crontabs
if [ -d /etc/cron.d ]; then mount -t tmpfs none /etc/cron.d; fi
if [ -e /etc/crontab ]; then mount --bind /dev/null /etc/crontab; fi
`;

/**
 * Run this shell script beside an empty crontab of root's. In it, \`start_cron 'YYYY-MM-DD hh:mm:ss'\` starts cron at that time
 * of its clock (UTC), and \`wait_for FILE\` waits until a job has made a file.
 */
export async function besideCron(
  script: string,
  env: Readonly<Record<string, string>> = {},
): Promise<string> {
  const cron = program("cron");
  const folders = [join(debianFolder, "usr", "bin"), "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
  const words = ["--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-c"];
  const { stdout } = await promisify(execFile)(
    find("unshare") ?? "",
    [...words, isolation + jobs + script],
    {
      env: {
        PATH: folders.join(":"),
        TZ: "UTC",
        CRON: cron.file,
        CRON_LIBRARIES: cron.env["LD_LIBRARY_PATH"] ?? "",
        FAKETIME_LIBRARY: fakeTime(),
        ...env,
      },
      timeout: 90_000,
      killSignal: "SIGKILL",
    },
  );
  return stdout;
}

const jobs = `
start_cron() {
  LD_LIBRARY_PATH="$CRON_LIBRARIES" LD_PRELOAD="$FAKETIME_LIBRARY" FAKETIME="@$1" "$CRON" -f >/dev/null 2>&1 &
}
wait_for() {
  for _ in $(seq 600); do if [ -e "$1" ]; then return 0; fi; sleep 0.1; done
  echo "cron's job made no $1 within a minute" >&2
  exit 1
}
`;

/** The library that gives a program another clock. */
function fakeTime(): string {
  const base = find("faketime")?.startsWith(debianFolder) === true ? debianFolder : "/";
  const libraries = join(base, "usr", "lib");
  const folder = readdirSync(libraries).find((name) => name.includes("-linux-gnu"));
  return join(libraries, folder ?? "", "faketime", "libfaketime.so.1");
}
