import { join } from "node:path";
import { readAcmeSh } from "../../import/acme-sh/acme-sh.ts";
import { type Client, importFrom } from "../../import/run.ts";
import { importFlags } from "../../options/declared/import.ts";
import { defineCommand } from "../command.ts";

const client: Client = {
  name: "acme.sh",
  folder: ({ env }) =>
    env["LE_CONFIG_HOME"] ?? env["LE_WORKING_DIR"] ?? join(env["HOME"] ?? "/root", ".acme.sh"),
  read: readAcmeSh,
  stop: "Stop acme.sh: acme.sh --uninstall-cronjob, or remove its line with crontab -e.",
};

export const command = defineCommand({
  name: "import acme.sh",
  summary: "Take over accounts, certificates and settings from acme.sh",
  arguments: [
    { usage: "[path]", description: "where acme.sh keeps its files; ~/.acme.sh when absent" },
  ],
  examples: ["acmectl import acme.sh --dry-run", "acmectl import acme.sh /root/.acme.sh"],
  options: importFlags,
  solverFlags: true,
  run: (flags, context) => importFrom(client, flags, context),
});
