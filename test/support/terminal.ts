/** A shell in a terminal (tmux): what is typed into it, and what its screen shows. */
import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { program as acmectlProgram } from "./spawn.ts";
import { debianFolder, program } from "./servers/catalog.ts";

export type Shell = "bash" | "zsh" | "fish";

export interface Terminal {
  /** Keys in the notation of tmux: a text as it is, `Tab`, `C-u`. */
  type(...keys: readonly string[]): Promise<void>;
  screen(): Promise<string>;
  /** All that was shown, lines that were wrapped joined. */
  transcript(): Promise<string>;
  close(): Promise<void>;
}

/** `script` is the completion that acmectl prints for the shell; `more` are variables over the usual ones. */
export async function openTerminal(
  shell: Shell,
  script: string,
  state: string,
  config: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Terminal> {
  const home = await mkdtemp(join(tmpdir(), "terminal-"));
  await writeFile(
    join(home, "acmectl"),
    `#!/bin/sh\nexec '${process.execPath}' '${acmectlProgram}' "$@"\n`,
    { mode: 0o755 },
  );
  const words = await prepared[shell](home, script);
  const tmux = program("tmux");
  const socket = join(home, "socket");
  const env = {
    ...tmux.env,
    HOME: home,
    TERM: "screen",
    LC_ALL: "C.UTF-8",
    ACMECTL_STATE: state,
    ACMECTL_CONFIG: config,
    ...more,
    PATH: `${home}:${more["PATH"] ?? process.env["PATH"] ?? ""}`,
  };
  const call = async (...args: readonly string[]) =>
    (await promisify(execFile)(tmux.file, ["-S", socket, "-f", "/dev/null", ...args], { env }))
      .stdout;
  await call("new-session", "-d", "-x", "180", "-y", "50", "-c", home, ...words);
  return {
    type: async (...keys) => {
      for (const key of keys) await call("send-keys", key);
    },
    screen: async () => call("capture-pane", "-p"),
    transcript: async () => call("capture-pane", "-p", "-J", "-S", "-"),
    async close() {
      await call("kill-server");
      await rm(home, { recursive: true, force: true });
    },
  };
}

const prepared: Readonly<
  Record<Shell, (home: string, script: string) => Promise<readonly string[]>>
> = {
  async bash(home, script) {
    await writeFile(join(home, "rc"), `PS1='ready> '\n${script}`);
    return ["bash", "--noprofile", "--rcfile", join(home, "rc"), "-i"];
  },
  async zsh(home, script) {
    const { file, env } = program("zsh");
    const unpacked = file.startsWith(debianFolder);
    const paths = unpacked
      ? [
          `module_path=(${debianFolder}/usr/lib/*/zsh/*(N/))`,
          `fpath=(${debianFolder}/usr/share/zsh/functions/**/*(N/))`,
        ]
      : [];
    await mkdir(join(home, "functions"));
    await writeFile(join(home, "functions", "_acmectl"), script);
    const lines = [
      ...paths,
      "fpath=($HOME/functions $fpath)",
      "autoload -Uz compinit",
      "compinit -u",
      "setopt no_beep",
      "PS1='ready> '",
    ];
    await writeFile(join(home, ".zshrc"), `${lines.join("\n")}\n`);
    return withEnvironment({ ...env, ZDOTDIR: home }, [file, "-d", "-i"]);
  },
  async fish(home, script) {
    const { file, env } = program("fish");
    const completions = join(home, ".config", "fish", "completions");
    await mkdir(completions, { recursive: true });
    await writeFile(join(completions, "acmectl.fish"), script);
    await writeFile(
      join(home, ".config", "fish", "config.fish"),
      "function fish_prompt; echo 'ready> '; end\nset fish_greeting\n",
    );
    const start = await relocatedFish(home, file);
    return withEnvironment(env, [start, "-i"]);
  },
};

/** An unpacked fish finds its own files only beside itself. */
async function relocatedFish(home: string, file: string): Promise<string> {
  if (!file.startsWith(debianFolder)) return file;
  const root = join(home, "root");
  await mkdir(join(root, "bin"), { recursive: true });
  await symlink(join(debianFolder, "usr", "share"), join(root, "share"));
  await symlink(join(debianFolder, "etc"), join(root, "etc"));
  await copyFile(file, join(root, "bin", "fish"));
  return join(root, "bin", "fish");
}

function withEnvironment(
  env: Readonly<Record<string, string>>,
  words: readonly string[],
): readonly string[] {
  return ["env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), ...words];
}
