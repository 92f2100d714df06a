import { join, sep } from "node:path";
import { fromSource, packageFolder } from "../installation.ts";
import { Problem } from "../problem.ts";

/** How this acmectl is started, by absolute paths: schedulers know nothing of a shell's PATH, nor of version managers. */
export interface InstalledProgram {
  readonly node: string;
  /** Of Node.js, where acmectl does not run without: those of a run from source. */
  readonly nodeOptions: readonly string[];
  readonly script: string;
}

/** The acmectl that is running. */
export function installedProgram(): InstalledProgram {
  return {
    node: process.execPath,
    nodeOptions: fromSource ? ["--conditions=source"] : [],
    script: join(packageFolder, "bin", "acmectl.js"),
  };
}

/** A `machine` Problem when Node.js or acmectl lies where it will vanish, so that the schedule would break unseen. */
export function assertLasting(
  { node, script }: InstalledProgram,
  temporaryFolders: readonly string[],
): void {
  for (const path of [script, node]) {
    const why = vanishing(path, temporaryFolders);
    if (why === undefined) continue;
    throw new Problem("machine", {
      title: "acmectl is not installed to stay",
      detail: `${path} lies in ${why}, and a schedule that starts it would fail once that is cleaned.`,
      hint: "Install acmectl in a permanent place and run `acmectl schedule install` from there, or use --force.",
    });
  }
}

function vanishing(path: string, temporaryFolders: readonly string[]): string | undefined {
  const parts = path.split(sep);
  if (parts.includes("_npx")) return "npx's cache";
  if (parts.includes("dlx") || parts.some((part) => part.startsWith("dlx-"))) return "pnpm's cache";
  const folder = temporaryFolders.find((one) => path.startsWith(`${one}${sep}`));
  return folder === undefined ? undefined : `the temporary folder ${folder}`;
}
