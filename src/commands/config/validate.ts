import { stat } from "node:fs/promises";
import { loadConfig } from "../../config/file.ts";
import { defineCommand } from "../command.ts";
import { solverOptions } from "../../solvers/options.ts";

export const command = defineCommand({
  name: "config validate",
  summary: "Check the config file, the solvers' options included",
  description: "Nothing is changed and nothing is asked of any server; secrets are not read.",
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
    const counted = Object.entries(counts).map(([what, count]) => `${what}: ${count}`);
    return {
      exitCode: 0,
      document: { outcome: "valid", path, ...counts },
      view: [{ kind: "line", text: `${path} is valid (${counted.join(", ")}).`, tone: "good" }],
    };
  },
});
