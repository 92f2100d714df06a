import { resolve } from "node:path";
import type { Context } from "../../context.ts";
import { Problem } from "../../problem.ts";
import { line } from "../../result.ts";
import { isStateUrl } from "../../state/url.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "state backup",
  summary: "Write the state folder into one archive, also while runs are active",
  description:
    "The archive is a .tar.gz with private keys in the clear and mode 0600. It has everything but locks. A shared state is backed up with the tools of its database or store, or copied into a folder first.",
  examples: ["acmectl state backup /var/backups/acmectl.tar.gz"],
  arguments: [{ usage: "<file>", description: "Archive to write; must not exist." }],
  options: {},
  async run(_, context) {
    const folder = await folderOf(context, "backed up");
    const file = resolve(context.cwd, context.args[0] ?? "");
    if (!(await (await context.store()).exists())) throw missing(folder);
    const { backUpFolder } = await import("../../state/folder/archive/backup.ts");
    const { clock, signal } = context;
    const count = await backUpFolder(folder, file, { now: clock.now(), signal });
    return {
      document: { outcome: "created", state: folder, file, count },
      view: [line(`Wrote ${count} files of ${folder} to ${file}.`, "good")],
    };
  },
});

/** The state folder; a Problem for a state that is none. */
export async function folderOf(context: Context, what: string): Promise<string> {
  const place = await context.statePlace();
  if (!isStateUrl(place)) return resolve(context.cwd, place);
  throw new Problem("usage", {
    detail: `${place} is not a folder, so it is not ${what} here.`,
    hint: "Use the tools of the database or the store, or copy the state: acmectl state copy FROM TO",
  });
}

function missing(folder: string): Problem {
  return new Problem("usage", {
    detail: `The state folder ${folder} does not exist, so it has nothing to back up.`,
    hint: "Give the right one with --state DIR.",
  });
}
