import { readLego } from "../../import/lego.ts";
import { type Client, importFrom } from "../../import/run.ts";
import { importFlags } from "../../options/declared/import.ts";
import { defineCommand } from "../command.ts";

const client: Client = {
  name: "lego",
  folder: ({ env }) => env["LEGO_PATH"] ?? ".lego",
  read: readLego,
  stop: "Stop lego: remove the crontab line or the systemd timer of yours that runs `lego renew` (lego 5: `lego run`).",
};

export const command = defineCommand({
  name: "import lego",
  summary: "Take over accounts and certificates from lego",
  description:
    "lego writes down neither how challenges were answered nor what it ran afterwards: say who answers from now on with --standalone, --webroot or --solver.",
  arguments: [{ usage: "[path]", description: "where lego keeps its files; ./.lego when absent" }],
  examples: [
    "acmectl import lego --standalone",
    "acmectl import lego /var/lib/lego --solver cloudflare --server https://ca.example.com/directory",
  ],
  options: importFlags,
  solverFlags: true,
  run: (flags, context) => importFrom(client, flags, context),
});
