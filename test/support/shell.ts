import { execFileSync } from "node:child_process";

/** Runs the shell command at the end of a hint or warning, exactly as it is printed. */
export function runHint(text: string | undefined): void {
  const command = /\b(?:mkdir|chmod|chown|ln) .*/.exec(text ?? "")?.[0];
  if (command === undefined) throw new Error(`There is no command in: ${text}`);
  execFileSync("/bin/sh", ["-c", command]);
}
