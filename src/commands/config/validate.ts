import { stat } from "node:fs/promises";
import { loadConfig } from "../../config/file.ts";
import { defineCommand } from "../command.ts";
import { reviewConfig } from "../../request/review.ts";
import { line } from "../../result.ts";
import { solverOptions } from "../../solvers/options.ts";

export const command = defineCommand({
  name: "config validate",
  summary: "Check the config file, the solvers' options included",
  description:
    "Also reports what would stop the next run: missing secrets and folders, names without a solver. Changes nothing and asks no server.",
  examples: ["acmectl config validate", "acmectl config validate --config ./acmectl.yaml"],
  options: {},
  async run(_options, context) {
    const { configPath: path, log } = context;
    const config = await loadConfig(path, {
      explicit: true,
      solverOptions: solverOptions(context),
      meaning: true,
    });
    const file = await stat(path);
    if (file.isFile() && (file.mode & 0o022) !== 0)
      log.warn(`Other users can write ${path}, and with it run commands as you: chmod 600 ${path}`);
    const { issuers, solvers, certificates, notify } = config;
    const used = Object.keys(notify).length === 0 ? {} : { notify };
    const sections = Object.entries({ issuers, solvers, certificates, ...used });
    const counts = sections.map(([name, entries]) => [name, Object.keys(entries).length] as const);
    const counted = counts.map(([name, count]) => `${name}: ${count}`).join(", ");
    const warnings = await reviewConfig(config, context);
    return {
      document: { outcome: "valid", path, counts: Object.fromEntries(counts), warnings },
      view: [
        line(`${path} is valid (${counted}).`, "good"),
        ...warnings.map((text) => line(text, "warn")),
      ],
    };
  },
});
