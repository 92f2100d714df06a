import type { CertificateRequest } from "../certificate.ts";
import { checkAll } from "../check/all.ts";
import type { Context } from "../context.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import { requestFlags } from "../options/declared/request.ts";
import { Problem } from "../problem.ts";
import { composeRequest } from "../request/compose.ts";
import { composeConfigured } from "../request/configured.ts";
import { splitRequest } from "../request/split.ts";
import { knownCertificates } from "../status/certificates.ts";
import { defineCommand } from "./command.ts";

const options = requestFlags satisfies OptionDeclarations;

export const command = defineCommand({
  name: "check",
  summary: "Look for what would prevent issuance, before anything is ordered",
  description:
    "Checks the CA and its limits, the account, the solvers and their credentials, the DNS (delegation, CNAMEs, DNSSEC, CAA) and http-01 over IPv4 and IPv6. Exit code 11: something would prevent issuance; 4: something could not be found out.",
  arguments: [
    {
      usage: "[name...]",
      description: "certificates of the config or the state",
      offers: "certificates",
    },
  ],
  examples: [
    "acmectl check -d example.com --webroot /var/www/html",
    "acmectl check -d 'example.com,*.example.com' --solver route53 --json",
    "acmectl check shop",
  ],
  options,
  solverFlags: true,
  async run(flags, context) {
    return checkAll(await requestsOf(flags, context), flags, context);
  },
});

async function requestsOf(
  flags: OptionsOf<typeof options>,
  context: Context,
): Promise<readonly CertificateRequest[]> {
  const config = await context.config();
  const typed = Object.keys(options)
    .map((option) => context.sourceOf(option))
    .filter((source) => source.startsWith("--") && !source.startsWith("--local-"));
  if (typed.length > 0 && context.args.length > 0) {
    throw new Problem("usage", {
      detail: `Both options of a request (${typed.join(", ")}) and the names of certificates were given.`,
      hint: "Leave the options out: a certificate that acmectl knows is checked with its own. Or give -d NAME for a new request.",
    });
  }
  if (context.args.length === 0)
    return splitRequest(
      await composeRequest(flags, config, context),
      flags.split ?? config.defaults.split ?? false,
    );
  const known = await knownCertificates(
    context.args,
    await composeConfigured(config),
    await context.store(),
  );
  const [broken] = known.broken;
  if (broken !== undefined) throw broken.problem;
  return known.certificates.map(({ request }) => request);
}
