import { line } from "../../result.ts";
import { setConfigValue } from "../../config/file.ts";
import { defineCommand } from "../command.ts";
import { solverOptions } from "../../solvers/options.ts";
import { withoutSecrets } from "../../config/secrets.ts";

export const command = defineCommand({
  name: "config set",
  summary: "Change one value of the config file",
  description:
    "The value is YAML: text, true, [a, b]. The file is checked before it is written; comments, order and quotes stay.",
  examples: [
    "acmectl config set issuers.letsencrypt.server letsencrypt",
    `acmectl config set certificates.shop.domains '[shop.example.com, "*.example.com"]'`,
    "acmectl config set solvers.cf.apiToken file:/etc/acmectl/cf-token",
  ],
  arguments: [
    {
      usage: "<key>",
      description: "A dotted path, such as certificates.shop.keyType.",
      offers: "keys",
    },
    { usage: "<value>", description: "The new value, as YAML." },
  ],
  options: {},
  async run(_options, context) {
    const { configPath } = context;
    const [key = "", text = ""] = context.args;
    const load = solverOptions(context);
    const { keys, missing } = await setConfigValue(configPath, key, text, {
      solverOptions: load,
      meaning: true,
    });
    if ((await withoutSecrets(text, keys, configPath, load)) !== text) {
      context.log.warn(
        `${configPath} now contains the secret ${key} itself. To keep it elsewhere, set it to env:NAME, file:/path or cmd:program.`,
      );
    }
    return {
      document: { outcome: "changed", path: configPath, key, missing },
      view: [
        line(`${key} is set in ${configPath}.`, "good"),
        ...missing.map((text) => line(text, "warn")),
      ],
    };
  },
});
