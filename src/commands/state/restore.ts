import { resolve } from "node:path";
import { line } from "../../result.ts";
import { defineCommand } from "../command.ts";
import { folderOf } from "./backup.ts";

export const command = defineCommand({
  name: "state restore",
  summary: "Make a state folder from an archive of `state backup`",
  description:
    "The archive is verified as a whole before the folder appears. A state that exists is not replaced: give an empty or new folder.",
  examples: ["acmectl state restore /var/backups/acmectl.tar.gz --state /var/lib/acmectl"],
  arguments: [{ usage: "<file>", description: "Archive to read." }],
  options: {},
  async run(_, context) {
    const folder = await folderOf(context, "restored");
    const file = resolve(context.cwd, context.args[0] ?? "");
    const { restoreFolder } = await import("../../state/folder/archive/restore.ts");
    const { at, count } = await restoreFolder(file, folder, context.signal);
    const store = await context.store();
    const findings = await store.check({ repair: false });
    return {
      document: { outcome: "created", state: folder, file, count, findings },
      view: [
        line(`Restored ${count} files to ${folder}, as they were on ${at}.`, "good"),
        ...findings.map(({ where, fault }) => line(`${where}: ${fault}`, "warn")),
      ],
    };
  },
});
