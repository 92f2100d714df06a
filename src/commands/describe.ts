import { composeConfigured } from "../request/configured.ts";
import { knownCertificates } from "../status/certificates.ts";
import { documentsOf, viewsOf } from "../status/describe.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "describe",
  summary: "Show every detail of certificates, including each DNS lookup",
  arguments: [
    {
      usage: "<name...>",
      description: "names of certificates, as shown by `acmectl list`",
      offers: "certificates",
    },
  ],
  examples: ["acmectl describe example.com"],
  options: {},
  async run(_, context) {
    const configured = await composeConfigured(await context.config());
    const known = await knownCertificates(context.args, configured, await context.store(), true);
    const now = context.clock.now();
    return {
      document: { outcome: "shown", certificates: documentsOf(known, now) },
      view: viewsOf(known, { detailed: true }, now),
    };
  },
});
