import { composeRequest } from "../issue/compose.ts";
import { issue, type IssueOptions, type IssueOutcome } from "../issue/issue.ts";
import { cleanAllLeftovers } from "../issue/leftovers.ts";
import { openTools } from "../issue/open.ts";
import { describeHeld } from "../renew/describe.ts";
import type { CertificateRequest } from "../certificate.ts";
import { requestFlags } from "../options/request.ts";
import type { OptionDeclarations, OptionsOf } from "../options/declaration.ts";
import type { Result } from "../result.ts";
import { openFolderStore } from "../store/folder.ts";
import { defineCommand, type CommandContext } from "./command.ts";

const options = {
  ...requestFlags,
  force: {
    type: "boolean",
    description: "Issue anew though a good certificate is held.",
    aliases: ["force-renewal", "renew-force"],
  },
  wait: {
    type: "boolean",
    default: true,
    description: "Wait when another run works on the same certificate.",
  },
  detailedExitcode: { type: "boolean", description: "Exit with 10 when something was issued." },
} as const satisfies OptionDeclarations;

export const command = defineCommand({
  name: "issue",
  summary: "Get a certificate, or do nothing when a good one is held",
  description:
    "The request is remembered, so that `acmectl renew` can repeat it. A changed request (names, key type, issuer, profile, chain) issues anew.",
  examples: [
    "acmectl issue -d example.com --standalone -m ops@example.com --agree-tos",
    "acmectl issue -d example.com,www.example.com --webroot /var/www/html",
    "acmectl issue -d 'example.com,*.example.com' --solver route53 --server letsencrypt --staging",
    "acmectl issue -d shop.test --server local",
  ],
  options,
  solverFlags: true,
  async run(flags, context) {
    const request = await composeRequest(flags, await context.config(), context);
    const store = openFolderStore(context.stateFolder, context);
    const tools = await openTools(request.issuer, [request], context, {
      store,
      timeouts: flags.wait ? {} : { lock: 0 },
      local: localOf(flags),
    });
    try {
      await cleanAllLeftovers(tools);
      const wanted =
        request.issuer.server === "local" ? withLocalPlace(request, tools.selfCheckAt) : request;
      const outcome = await issue(wanted, issueOptions(flags), tools);
      return present(wanted, outcome, flags.detailedExitcode === true, context);
    } finally {
      await tools.close();
    }
  },
});

type Flags = OptionsOf<typeof options>;

function issueOptions({ force }: Flags): IssueOptions {
  return force === true ? { isWanted: () => true } : {};
}

function localOf({ localHttpPort, localResolver }: Flags) {
  return {
    ...(localHttpPort === undefined ? {} : { httpPort: localHttpPort }),
    ...(localResolver === undefined ? {} : { resolver: localResolver }),
  };
}

/** The embedded CA asks on this machine, so the self-check looks there too. */
function withLocalPlace(
  request: CertificateRequest,
  place: string | undefined,
): CertificateRequest {
  return place === undefined || request.selfCheckAt !== undefined
    ? request
    : { ...request, selfCheckAt: place };
}

function present(
  request: CertificateRequest,
  { held, issued }: IssueOutcome,
  detailed: boolean,
  { clock }: CommandContext,
): Result {
  const outcome = issued ? "issued" : "unchanged";
  const names = held.meta.identifiers.map(({ value }) => value).join(", ");
  const text = issued
    ? `Issued a certificate for ${names}.`
    : `A good certificate for ${names} is held already; nothing was done.`;
  const { document, view } = describeHeld(request, held, outcome, clock.now());
  return {
    exitCode: issued && detailed ? 10 : 0,
    document: { outcome, certificates: [document] },
    view: [{ kind: "line", text, tone: "good" }, ...view],
  };
}
