import { traitsOf } from "../acme/presets.ts";
import { revocationReasons, revokeHeld } from "../account/revoke.ts";
import { withTools } from "../issuer/account.ts";
import { Problem } from "../problem.ts";
import { line } from "../result.ts";
import { storedCertificates } from "../status/certificates.ts";
import { confirm, defineCommand } from "./command.ts";

export const command = defineCommand({
  name: "revoke",
  summary: "Revoke a certificate",
  description:
    "Its files stay until `acmectl delete NAME`; `acmectl renew NAME --force` gets another.",
  examples: ["acmectl revoke shop --reason keyCompromise", "acmectl revoke shop --by-key --yes"],
  arguments: [{ usage: "<name>", description: "name of the certificate", offers: "certificates" }],
  options: {
    reason: {
      type: "string",
      choices: revocationReasons,
      default: "unspecified",
      description: "Reason, as RFC 5280 names it; CAs block a compromised key.",
      placeholder: "REASON",
    },
    byKey: {
      type: "boolean",
      description: "Sign with the certificate's private key instead of the account's.",
    },
    yes: { type: "boolean", description: "Do not ask.", short: "y" },
  },
  async run(flags, context) {
    const store = await context.store();
    const { certificates, broken } = await storedCertificates(store, context.args);
    if (broken[0] !== undefined) throw broken[0].problem;
    const [certificate] = certificates;
    if (certificate === undefined)
      throw new Problem("usage", { detail: "No certificate was named." });
    const { name, request, held } = certificate;
    const server = held?.meta.directory ?? request.issuer.server;
    refuseEmbedded(server, name);
    await confirm(`Revoke ${name} now? Clients will reject it.`, flags.yes, context);
    const { serial, second } = held?.meta ?? {};
    const serials =
      second === undefined ? `serial ${serial}` : `serials ${serial}, ${second.serial}`;
    return withTools({ ...request.issuer, server }, context, async (tools) => {
      await revokeHeld(certificate, { reason: flags.reason, byKey: flags.byKey === true }, tools);
      return {
        document: { outcome: "revoked", certificates: [{ name, outcome: "revoked", serial }] },
        view: [
          line(`Revoked ${name} (${serials}).`, "good"),
          line(`The next \`acmectl renew\` replaces it; \`acmectl delete ${name}\` removes it.`),
        ],
      };
    });
  },
});

function refuseEmbedded(server: string, name: string): void {
  if (!traitsOf(server).forgets) return;
  throw new Problem("usage", {
    detail: `The embedded CA forgets its certificates when it ends, so ${name} cannot be revoked.`,
    hint: `Remove it with \`acmectl delete ${name}\`. To try a revocation, start \`acmectl test-ca\` and issue from it.`,
  });
}
