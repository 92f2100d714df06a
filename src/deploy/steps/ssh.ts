/** Files on another host, by the system's `ssh`: one session writes all of them, renames them, and runs a command. */
import type { SshSetting } from "../../certificate.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { commandTimeout, runCommand, type CommandTools } from "../command.ts";
import type { Variables } from "../environment.ts";
import type { Redact } from "../secrets.ts";
import { filesOf, type Material } from "./copy.ts";
import type { DeployedFile } from "./write-file.ts";

interface SshSubject {
  readonly material: Material;
  readonly inherited: Variables;
  readonly redact: Redact;
}

/** Rejects with a `deploy` Problem. Nothing is replaced on the host unless all of the script has arrived there. */
export async function deployBySsh(
  { ssh, timeout = commandTimeout }: { ssh: SshSetting; timeout?: number | undefined },
  { material, inherited, redact }: SshSubject,
  tools: CommandTools,
): Promise<void> {
  const script = scriptOf(ssh, filesOf(ssh, material));
  const connect = Math.max(1, Math.min(15, Math.floor(timeout / 1000)));
  // What comes first counts, so options of the user's come first.
  const own = ["-T", "-o", "BatchMode=yes", "-o", `ConnectTimeout=${connect}`];
  for (const host of ssh.hosts) {
    const argv = ["ssh", ...(ssh.options ?? []), ...own, "--", host, "sh -s"];
    const title = `Deployment to ${host}`;
    const command = { title, argv, env: inherited, input: script, timeout };
    await runCommand(command, redact, tools).catch((error: unknown) => {
      throw explained(error, host);
    });
  }
}

/**
 * Read by `sh` on the host from its standard input, since arguments show in `ps`. A function is run only when it is read to
 * its end: a connection that breaks leaves everything as it was.
 */
function scriptOf({ run, owner, group, mode }: SshSetting, files: readonly DeployedFile[]): string {
  const access = [owner, group, mode].map((one) => quoted(one ?? "")).join(" ");
  const writes = files.map(({ path, content, secret }, index) => {
    const words = `${index} ${quoted(path)} ${secret ? 600 : 644} ${access}`;
    return `write ${words} <<'${end}' || exit 1\n${String(content)}${end}`;
  });
  const renames = files.map((_, index) => `replace "$new${index}" "$target${index}" || exit 1`);
  const clean = files.map((_, index) => `"$new${index}"`).join(" ");
  const command = run === undefined ? "" : `sh -c ${quoted(run)} </dev/null`;
  const body = [`trap 'rm -f -- ${clean}' EXIT`, ...writes, ...renames, command].join("\n");
  return `${functions}\nmain() {\n${body}\n}\nmain\n`;
}

const end = "end of the file";

/** `~/` is the home on the host. */
function quoted(text: string): string {
  const [home, rest] = text.startsWith("~/") ? ['"$HOME"/', text.slice(2)] : ["", text];
  return `${home}'${rest.replaceAll("'", String.raw`'\''`)}'`;
}

/**
 * `resolve` finds the path without symbolic links. `write` makes a new file beside its target. Owner, group and mode stay as they were unless given, except that a key is for
 * its owner, and for its group only if it was exactly 0640 before.
 */
const functions = String.raw`
trap 'exit 1' HUP INT TERM
fail() {
  printf '%s\n' "$1" >&2
  return 1
}
about() { stat -c "$1" -- "$3" 2>/dev/null || stat -f "$2" "$3"; }
flush() { sync "$1" 2>/dev/null || sync; }
resolve() {
  case $1 in / | .) target=$1 && return ;; esac
  resolve "$(dirname -- "$1")" "$2" || return
  name=$(basename -- "$1")
  case $target in .) target=$name ;; /) target=/$name ;; *) target=$target/$name ;; esac
  [ -L "$target" ] || return 0
  user=$(about %u %u "$target")
  [ "$user" = 0 ] || [ "$user" = "$(id -u)" ] ||
    fail "$target is a symbolic link of another user (user id $user), so it is not followed." || return
  link=$(readlink -- "$target") && [ "$2" -lt 40 ] || fail "Cannot follow the symbolic link $target." || return
  case $link in /*) ;; *) link=$(dirname -- "$target")/$link ;; esac
  resolve "$link" "$(($2 + 1))"
}
write() {
  mode=$6 before=
  resolve "$2" 0 || return
  folder=$(dirname -- "$target")
  [ -d "$folder" ] || fail "The folder $folder does not exist." || return
  [ ! -e "$target" ] || [ -f "$target" ] || fail "$target is not a regular file." || return
  new=$(mktemp "$folder/.acmectl-XXXXXXXX") || return
  eval "target$1=\$target new$1=\$new"
  cat >"$new" || return
  if [ -f "$target" ]; then
    before=$(about %a %Lp "$target")
    chown "$(about %u:%g %u:%g "$target")" "$new" 2>/dev/null
  fi
  [ -z "$4" ] || chown "$4" "$new" || return
  [ -z "$5" ] || chgrp "$5" "$new" || return
  if [ -n "$before" ] && [ "$3:$before" = 600:640 -o "$3" = 644 ]; then [ -n "$mode" ] || mode=$before; fi
  [ -n "$mode" ] || mode=$3
  chmod "$mode" "$new" && flush "$new"
}
replace() {
  mv -f -- "$1" "$2" && flush "$(dirname -- "$2")"
}`;

function explained(error: unknown, host: string): unknown {
  if (!Problem.is(error) || !error.is("deploy")) return error;
  const [, hint] = hints.find(([pattern]) => pattern.test(error.message)) ?? [];
  return hint === undefined
    ? error
    : error.with({ hint: hint.replaceAll("{host}", quotedWord(host)) });
}

const hints: readonly (readonly [RegExp, string])[] = [
  [
    /Host key verification failed|REMOTE HOST IDENTIFICATION/u,
    "Run `ssh {host}` once as the user that runs acmectl, compare the host's key, and accept it.",
  ],
  [
    /Permission denied \(/u,
    "Give the user that runs acmectl a key without passphrase, or an agent, and add the key to authorized_keys of {host}.",
  ],
  [/Could not resolve hostname/u, "Correct the host, or add it to the ssh configuration."],
  [
    /Permission denied$|Operation not permitted/mu,
    "Let the user on the host write there; only root may give files to others.",
  ],
];
