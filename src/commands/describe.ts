import { composeConfigured } from "../request/compose.ts";
import { brokenDocument, brokenLines } from "../status/broken.ts";
import { knownCertificates } from "../status/certificates.ts";
import { documentOf, viewOf } from "../status/describe.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "describe",
  summary: "Show every detail of certificates, including each DNS lookup",
  arguments: [
    {
      usage: "<name...>",
      description: "names of certificates, as shown by `acmectl list`",
    },
  ],
  examples: ["acmectl describe example.com"],
  options: {},
  async run(_, context) {
    const store = await context.store();
    const configured = await composeConfigured(await context.config());
    const { certificates, broken } = await knownCertificates(context.args, configured, store);
    const now = context.clock.now();
    return {
      exitCode: 0,
      document: {
        outcome: "shown",
        certificates: [
          ...certificates.map((one) => documentOf(one, now)),
          ...broken.map(brokenDocument),
        ],
      },
      view: [
        ...certificates.flatMap((one) => viewOf(one, { detailed: true }, now)),
        ...broken.flatMap(brokenLines),
      ],
    };
  },
});
