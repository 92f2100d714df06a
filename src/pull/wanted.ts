import { hostname } from "node:os";
import type { CertificateRequest, DeployStep, DeployWindow } from "../certificate.ts";
import { readAt } from "../config/mistakes.ts";
import type { Context } from "../context.ts";
import { assertWindow } from "../deploy/windows.ts";
import { Problem } from "../problem.ts";
import { isSelected, type Selection } from "../state/selection.ts";
import type { StoredCertificate } from "../state/store.ts";

/** What was typed for one run. */
export interface Typed {
  readonly names: readonly string[];
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly deployHook?: readonly string[] | undefined;
  readonly host?: string | undefined;
}

/** What this host wants of a shared state. */
export interface Wanted {
  readonly host: string;
  /** Certificates that one of these selects. */
  readonly select: readonly Selection[];
  /** The certificate's request with the deploy steps of this host in place of its own. */
  readonly requestOf: (
    certificate: Pick<StoredCertificate, "name" | "request">,
  ) => CertificateRequest;
}

interface Entry extends Selection {
  readonly deploy?: readonly DeployStep[] | undefined;
  readonly windows?: readonly DeployWindow[] | undefined;
}

/** By the entries of `pull` in the config; names and labels that were typed choose others, which get the steps of the entries that select them. */
export async function wantedHere(
  typed: Typed,
  context: Pick<Context, "config" | "cwd">,
): Promise<Wanted> {
  const config = await context.config();
  for (const [name, { windows = [] }] of Object.entries(config.pull))
    for (const [index, window] of windows.entries()) {
      const keys = ["pull", name, "windows", index];
      readAt(config, keys, () => assertWindow(window, `pull.${name}.windows`));
    }
  const entries: readonly Entry[] = Object.values(config.pull);
  const isTyped = typed.names.length > 0 || typed.labels !== undefined;
  if (!isTyped && entries.length === 0) throw nothingWanted(config.path);
  const deploy = (typed.deployHook ?? []).map((run) => ({ run, shell: true, cwd: context.cwd }));
  return {
    host: typed.host ?? config.state.host ?? hostname(),
    select: isTyped ? [selectionOf(typed)] : entries,
    requestOf({ name, request }) {
      const own = entries.filter((entry) => isSelected(entry, { name, request }));
      const windows = own.flatMap((entry) => entry.windows ?? []);
      return {
        ...request,
        outputs: {},
        hooks: { deploy: [...own.flatMap((entry) => entry.deploy ?? []), ...deploy] },
        windows: windows.length === 0 ? undefined : windows,
      };
    },
  };
}

function selectionOf({ names, labels }: Typed): Selection {
  return { names: names.length === 0 ? undefined : names, labels };
}

function nothingWanted(path: string): Problem {
  return new Problem("usage", {
    detail: `No certificate was named, and ${path} does not say which ones this host needs.`,
    hint: "Name them, give --labels, or list them in the section pull of the config.",
  });
}
