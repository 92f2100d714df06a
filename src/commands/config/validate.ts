import { stat } from "node:fs/promises";
import { loadConfig } from "../../config/file.ts";
import { defineCommand } from "../command.ts";
import { reviewConfig } from "../../request/review.ts";
import type { Block } from "../../result.ts";
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
    const { mode } = await stat(path);
    if ((mode & 0o022) !== 0) {
      log.warn(`Other users can write ${path}, and with it run commands as you: chmod 600 ${path}`);
    }
    const counts = {
      issuers: Object.keys(config.issuers).length,
      solvers: Object.keys(config.solvers).length,
      certificates: Object.keys(config.certificates).length,
    };
    const warnings = await reviewConfig(config, context);
    const counted = Object.entries(counts).map(([what, count]) => `${what}: ${count}`);
    return {
      exitCode: 0,
      document: { outcome: "valid", path, counts, warnings },
      view: [
        { kind: "line", text: `${path} is valid (${counted.join(", ")}).`, tone: "good" },
        ...warnings.map((text): Block => ({ kind: "line", text, tone: "warn" })),
      ],
    };
  },
});
