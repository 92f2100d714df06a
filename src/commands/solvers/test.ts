import { parseIdentifiers } from "../../acme/identifiers.ts";
import type { CertificateRequest } from "../../certificate.ts";
import { dnsSetting } from "../../request/compose.ts";
import { cleanAllLeftovers } from "../../issue/journal.ts";
import { openTools } from "../../issuer/open.ts";
import { rehearse, type Rehearsed } from "../../issue/proof/rehearsal.ts";
import { parsePlace } from "../../options/place.ts";
import { solverSettings } from "../../request/solvers.ts";
import { offeredType } from "../../issue/proof/challenges.ts";
import { selectAll } from "../../issue/proof/choose.ts";
import type { OptionDeclarations, OptionsOf } from "../../options/declaration.ts";
import { certificateFlags, solverFlags, visibilityFlags } from "../../options/declared/request.ts";
import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import type { Selected } from "../../solvers/select.ts";
import { line, type Result } from "../../result.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

const { domains, labels } = certificateFlags;
const { selfCheck: _, ...looks } = visibilityFlags;
const { challenge } = solverFlags;
const options = { domains, challenge, labels, ...looks } as const satisfies OptionDeclarations;

/** No CA is asked. */
const noIssuer = { server: "https://ca.invalid/directory", agreeTos: false };

export const command = defineCommand({
  name: "solvers test",
  summary: "Try a solver without a CA: present a random challenge, look, clean up",
  description:
    "Without a solver it tries those of the config, and says which of them takes which name and why.",
  arguments: [
    {
      usage: "[solver]",
      description: "a solver of the config, a built-in, ./file.ts, or a package",
      offers: "solvers",
    },
  ],
  examples: [
    "acmectl solvers test standalone -d example.com",
    "acmectl solvers test cloudflare -d 'example.com,*.example.com'",
  ],
  options,
  solverFlags: true,
  async run(flags, context) {
    const request = await requestOf(flags, context);
    const store = await context.store();
    const tools = await openTools(noIssuer, [request], context, { store });
    try {
      await cleanAllLeftovers(tools);
      for (const one of await selectAll(request, tools)) {
        const takes = one.challengeTypes.length === 0 ? "does not take" : "takes";
        context.log.info(`${one.setting.name} ${takes} ${one.identifier.value}: ${one.reason}`);
        refuseAccountTypes(one);
      }
      return resultOf(await rehearse(request, tools));
    } finally {
      await tools.close();
    }
  },
});

async function requestOf(
  flags: OptionsOf<typeof options>,
  context: Context,
): Promise<CertificateRequest> {
  const config = await context.config();
  const identifiers = parseIdentifiers(flags.domains ?? []);
  const { selfCheckAt } = flags;
  if (selfCheckAt !== undefined) parsePlace(selfCheckAt);
  const solver = context.args.slice(0, 1);
  const chosen = {
    solver,
    challenge: flags.challenge,
    standalone: undefined,
    tlsAlpn: undefined,
    webroot: undefined,
    dns: undefined,
  };
  return {
    name: "solvers-test",
    identifiers,
    keyType: "ec256",
    reuseKey: false,
    issuer: noIssuer,
    labels: flags.labels ?? {},
    solvers: await solverSettings(chosen, config.defaults.solvers, noIssuer, config, context),
    dns: dnsSetting(flags, config.dns),
    outputs: {},
    hooks: {},
    selfCheckAt,
  };
}

/** Their records name an account at a CA. */
function refuseAccountTypes({ identifier, challengeTypes, setting }: Selected): void {
  const [first] = challengeTypes;
  const type = first && offeredType(first, setting);
  if (type !== "dns-persist-01" && type !== "dns-account-01") return;
  throw new Problem("usage", {
    title: "Nothing to try",
    detail: `${setting.name} answers ${type} for ${identifier.value}, whose record names an account at a CA, and this command asks no CA.`,
    hint: `To look at the record, run acmectl check -d ${quotedWord(identifier.value)} --challenge ${type} with the --server of the account.`,
  });
}

const words = {
  visible: ["visible", "good"],
  unseen: ["presented, but this machine could not check it", "warn"],
  failed: ["failed", "bad"],
} as const;

function resultOf(names: readonly Rehearsed[]): Result {
  const has = (outcome: Rehearsed["outcome"]) => names.some((one) => one.outcome === outcome);
  return {
    document: {
      outcome: has("failed") ? "failed" : has("unseen") ? "unseen" : "visible",
      challenges: names.map((one) => {
        const { solver, outcome, why } = one;
        return { name: nameOf(one), type: one.challenge.type, solver, outcome, why };
      }),
    },
    view: names.map((one) => {
      const [text, tone] = words[one.outcome];
      const what = `${nameOf(one)} by ${one.solver} (${one.challenge.type})`;
      return line(`${what}: ${text}${one.why === undefined ? "" : ` (${one.why})`}`, tone);
    }),
    problem: problemOf(names),
  };
}

function nameOf({ challenge: { identifier, wildcard } }: Rehearsed): string {
  return wildcard ? `*.${identifier.value}` : identifier.value;
}

/** The first failure stands for all; the lines above name the others. */
function problemOf(names: readonly Rehearsed[]): Problem | undefined {
  const failed = names.find(({ outcome }) => outcome === "failed");
  if (failed === undefined) return unseenProblem(names);
  if (Problem.is(failed.failure)) return failed.failure;
  throw failed.failure;
}

function unseenProblem(names: readonly Rehearsed[]): Problem | undefined {
  const unseen = names.filter(({ outcome }) => outcome === "unseen").map(nameOf);
  if (unseen.length === 0) return undefined;
  return new Problem("propagation", {
    detail: `The solver reported no error, but this machine could not check the response for ${unseen.join(", ")}.`,
    hint: "Check from outside, or past the router with --self-check-at ADDRESS:PORT.",
  });
}
