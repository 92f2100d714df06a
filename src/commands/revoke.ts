import { openTools } from "../issuer/open.ts";
import { revocationReasons, revokeHeld } from "../account/revoke.ts";
import { Problem } from "../problem.ts";
import { storedCertificates } from "../status/certificates.ts";
import { confirm } from "./command.ts";
import { defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "revoke",
  summary: "Revoke a certificate that is held",
  description:
    "What is held stays until `acmectl delete`; `acmectl issue --force` or `renew --force` gets another.",
  examples: ["acmectl revoke shop --reason keyCompromise", "acmectl revoke shop --by-key --yes"],
  arguments: [{ usage: "<name>", description: "what the certificate is called" }],
  options: {
    reason: {
      type: "string",
      choices: revocationReasons,
      default: "unspecified",
      description: "Why, as RFC 5280 names it; CAs block a key that was compromised.",
      placeholder: "REASON",
    },
    byKey: {
      type: "boolean",
      description: "Prove it by the certificate's private key instead of the account.",
    },
    yes: { type: "boolean", description: "Do not ask.", short: "y" },
  },
  async run(flags, context) {
    const store = await context.store();
    const named = await storedCertificates(store, context.args);
    const [certificate] = named.certificates;
    if (named.broken[0] !== undefined) throw named.broken[0].problem;
    if (certificate === undefined)
      throw new Problem("usage", { detail: "No certificate was named." });
    await confirm(
      `Revoke ${certificate.name} now? Whoever uses it will be refused.`,
      flags.yes,
      context,
    );
    const { issuer } = certificate.request;
    const server = certificate.held?.meta.directory ?? issuer.server;
    const tools = await openTools({ ...issuer, server }, [], context, { store });
    try {
      await revokeHeld(certificate, { reason: flags.reason, byKey: flags.byKey === true }, tools);
      return {
        exitCode: 0,
        document: {
          outcome: "revoked",
          certificates: [
            { name: certificate.name, outcome: "revoked", serial: certificate.held?.meta.serial },
          ],
        },
        view: [
          {
            kind: "line",
            tone: "good",
            text: `Revoked ${certificate.name} (serial ${certificate.held?.meta.serial}).`,
          },
          {
            kind: "line",
            text: "The next `acmectl renew` replaces it; `acmectl delete` forgets it.",
          },
        ],
      };
    } finally {
      await tools.close();
    }
  },
});
