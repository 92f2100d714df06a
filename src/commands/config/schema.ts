import { verbatim } from "../../result.ts";
import { configSchema } from "../../config/schema.ts";
import { defineCommand } from "../command.ts";
import { builtInOptions } from "../../solvers/options.ts";

export const command = defineCommand({
  name: "config schema",
  summary: "Print the JSON Schema of the config file, for editors",
  description:
    "An editor with a YAML language server takes it from a first line such as `# yaml-language-server: $schema=acmectl.schema.json`.",
  examples: ["acmectl config schema > acmectl.schema.json"],
  options: {},
  async run(_options, { cwd }) {
    const schema = configSchema(await builtInOptions(cwd));
    return {
      document: { outcome: "printed", schema },
      view: [verbatim(JSON.stringify(schema, undefined, 2))],
    };
  },
});
