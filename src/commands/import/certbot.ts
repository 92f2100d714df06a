import { readCertbot } from "../../import/certbot/certbot.ts";
import { type Client, importFrom } from "../../import/run.ts";
import { importFlags } from "../../options/declared/import.ts";
import { defineCommand } from "../command.ts";

const client: Client = {
  name: "certbot",
  folder: () => "/etc/letsencrypt",
  read: readCertbot,
  stop: "Stop certbot: systemctl disable --now certbot.timer (snap: snap.certbot.renew.timer), and remove /etc/cron.d/certbot or a crontab line of yours.",
};

export const command = defineCommand({
  name: "import certbot",
  summary: "Take over accounts, certificates and settings from certbot",
  arguments: [
    { usage: "[path]", description: "where certbot keeps its files; /etc/letsencrypt when absent" },
  ],
  examples: [
    "acmectl import certbot --dry-run",
    "acmectl import certbot /mnt/old/etc/letsencrypt --webroot /var/www/html",
  ],
  options: importFlags,
  solverFlags: true,
  run: (flags, context) => importFrom(client, flags, context),
});
