import { line } from "../../result.ts";
import { createConfig } from "../../config/conf.ts";
import { defineCommand } from "../command.ts";
import { starter } from "../../config/starter.ts";

export const command = defineCommand({
  name: "config init",
  summary: "Write a config file to start from",
  description:
    "Everything in it is a comment until you remove the # before it. A file that exists stays as it is.",
  examples: ["acmectl config init", "acmectl config init --config ./acmectl.yaml"],
  options: {},
  async run(_options, { configPath: path }) {
    await createConfig(path, starter);
    return {
      document: { outcome: "created", path },
      view: [line(`${path} is written.`, "good"), line("Edit it, then: acmectl config validate")],
    };
  },
});
