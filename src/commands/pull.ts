import { deployFlags } from "../options/declared/deployment.ts";
import { hostFlags } from "../options/declared/state.ts";
import type { OptionDeclarations } from "../options/declaration.ts";
import { pullCertificates } from "../pull/pull.ts";
import { reportPulled } from "../pull/report.ts";
import { line } from "../result.ts";
import { defineCommand } from "./command.ts";

const options = {
  labels: {
    type: "map",
    description: "Label that the certificates have.",
    aliases: ["label"],
  },
  deployHook: deployFlags.deployHook,
  force: { type: "boolean", description: "Repeat failed deploy steps now, despite a back-off." },
  ...hostFlags,
  forget: {
    type: "string",
    description: "Remove what the state knows of this host; pull nothing.",
    placeholder: "NAME",
  },
} as const satisfies OptionDeclarations;

export const command = defineCommand({
  name: "pull",
  summary: "Bring certificates of a shared state to this host, then run its deploy steps",
  description:
    "Without names, the section `pull` of the config selects them. Each is written as in a state folder, below --state-files. If nothing has changed, nothing is loaded, so that it may run every minute. No CA is asked.",
  arguments: [
    { usage: "[name...]", description: "only these certificates; * stands for any characters" },
  ],
  examples: [
    "acmectl pull",
    "acmectl pull shop --deploy-hook 'systemctl reload nginx'",
    "acmectl pull --label role=web",
  ],
  options,
  async run({ forget, ...flags }, context) {
    if (forget === undefined)
      return reportPulled(await pullCertificates({ ...flags, names: context.args }, context));
    await (await context.store()).hosts.forget(forget);
    return {
      document: { outcome: "forgotten" },
      view: [line(`Removed what the state knew of the host ${forget}.`, "good")],
    };
  },
});
