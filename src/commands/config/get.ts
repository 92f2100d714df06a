import { verbatim } from "../../result.ts";
import { stringify } from "yaml";
import { Problem } from "../../problem.ts";
import { getConfigValue } from "../../config/file.ts";
import { defineCommand } from "../command.ts";
import { withoutSecrets } from "../../config/secrets.ts";
import { solverOptions } from "../../solvers/options.ts";

export const command = defineCommand({
  name: "config get",
  summary: "Print one value of the config file",
  description:
    "Prints the value as written in the file. References to secrets are shown; secrets in the file itself are hidden.",
  examples: ["acmectl config get issuers.letsencrypt.email", "acmectl config get certificates"],
  arguments: [
    {
      usage: "<key>",
      description: "A dotted path, such as certificates.shop.domains.",
      offers: "keys",
    },
  ],
  options: {},
  async run(_options, context) {
    const { configPath } = context;
    const [key = ""] = context.args;
    const { keys, value: written } = await getConfigValue(configPath, key);
    if (written === undefined) {
      throw new Problem("config", {
        detail: `${key} is not set in ${configPath}.`,
        hint: `Set it: acmectl config set ${key} VALUE`,
      });
    }
    const value = await withoutSecrets(written, keys, configPath, solverOptions(context));
    const text = typeof value === "string" ? value : stringify(value, { lineWidth: 0 });
    return { document: { outcome: "found", path: configPath, key, value }, view: [verbatim(text)] };
  },
});
