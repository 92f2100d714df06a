import { verbatim } from "../../result.ts";
import { existsSync } from "node:fs";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "config path",
  summary: "Print which config file is used",
  examples: ["acmectl config path", '$EDITOR "$(acmectl config path)"'],
  options: {},
  async run(_options, { configPath }) {
    const exists = existsSync(configPath);
    return {
      document: { outcome: exists ? "found" : "absent", path: configPath, exists },
      view: [verbatim(configPath)],
    };
  },
});
