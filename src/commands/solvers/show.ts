import { readText } from "../../state/folder/files.ts";
import { describeOptions, type OptionDescription } from "../../options/describe.ts";
import { loadSolver } from "../../solvers/registry.ts";
import { type Block, type Entry, fields, heading, line, verbatim } from "../../result.ts";
import { thumbprint } from "../../acme/keys.ts";
import type { Context } from "../../context.ts";
import type { SolverPlugin } from "../../plugin.ts";
import { Problem } from "../../problem.ts";
import { composeIssuer } from "../../request/issuer.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "solvers show",
  summary: "Show what a solver answers, and every option that it has",
  arguments: [
    {
      usage: "<solver>",
      description: "a built-in, a solver of the config, ./file.ts, or a package",
      offers: "solvers",
    },
  ],
  examples: ["acmectl solvers show webroot", "acmectl solvers show ./my-solver.ts"],
  options: {
    server: {
      type: "string",
      description: "CA whose account a stateless solver answers for, if there are several.",
      short: "s",
      placeholder: "CA",
      offers: "servers",
    },
  },
  async run({ server }, context) {
    const [asked = ""] = context.args;
    const config = await context.config();
    const loaded = await loadSolver(config.solvers[asked]?.use ?? asked, context);
    const { plugin, name, origin, readme } = loaded;
    const { summary, challengeTypes } = plugin;
    const options = describeOptions(plugin.options, name);
    const text = readme === undefined ? undefined : await readText(readme);
    const permissions = marked.exec(text ?? "")?.[1];
    const documents = options.map((one) => ({ ...one, hidden: undefined, flag: one.flag?.long }));
    const { account, snippets } = await aboutWebServers(plugin, server, context);
    const about = { name, summary, challengeTypes, origin, readme, permissions };
    return {
      document: {
        outcome: "shown",
        solver: { ...about, thumbprint: account, snippets, options: documents },
      },
      view: [
        heading(name),
        fields([
          ["What it does", summary],
          ["Answers", challengeTypes.join(", ")],
          ["From", origin],
          ["Read more", readme],
        ]),
        ...(permissions === undefined ? [] : aboutPermissions(permissions)),
        ...aboutOptions(options),
        ...(snippets !== undefined && account === undefined ? [line(noAccount, "warn")] : []),
        ...Object.entries(snippets ?? {}).flatMap(([program, text]) => [
          heading(program),
          verbatim(`${text}\n`),
        ]),
      ],
    };
  },
});

/** The least permissions, ready to be applied, where the README marks them. */
const marked = /<!-- permissions -->\s*```\w*\n([\s\S]*?)\n```/u;

function aboutPermissions(permissions: string): readonly Block[] {
  return [heading("Permissions"), verbatim(permissions)];
}

const noAccount =
  "No account is registered yet. Run `acmectl account register`, then this command again for its thumbprint.";

/** What web servers are configured with, for the account with this CA, or for the only one. */
async function aboutWebServers(
  { stateless }: SolverPlugin,
  server: string | undefined,
  context: Context,
): Promise<{ account?: string | undefined; snippets?: Readonly<Record<string, string>> }> {
  if (stateless === undefined) return {};
  const { accounts } = await context.store();
  const directoryOf = async (named: string) =>
    composeIssuer({ server: named }, undefined, await context.config()).server;
  const all = await (server === undefined
    ? accounts.list()
    : accounts.ofDirectory(await directoryOf(server)));
  const usable = all.filter(({ status = "valid" }) => status === "valid");
  const directories = new Set(usable.map(({ directory }) => directory));
  if (directories.size > 1)
    throw new Problem("usage", {
      detail: `There are accounts with several CAs: ${[...directories].join(", ")}.`,
      hint: "Choose one with --server.",
    });
  const [first] = usable;
  const account = first && thumbprint(first.key);
  return { account, snippets: stateless(account ?? "THUMBPRINT") };
}

function aboutOptions(options: readonly OptionDescription[]): readonly Block[] {
  if (options.length === 0) return [line("It has no options.")];
  return [
    heading("Options"),
    ...options.flatMap((option) => [line(option.name, "strong"), fields(entriesOf(option))]),
    line(
      "Every variable is also read with _FILE appended to its name, from the file that it names.",
      "dim",
    ),
  ];
}

function entriesOf(option: OptionDescription): readonly Entry[] {
  const { description, flag, variables, secret, accepts, required } = option;
  const noFlag = secret ? "none, since it is secret" : "none";
  return [
    ["Meaning", description],
    ["Flag", flag === undefined ? noFlag : [flag.long, flag.placeholder].join(" ").trim()],
    ["Environment", variables.join(", ")],
    ["Takes", secret ? `${accepts}, or env:NAME, file:/path, cmd:program args` : accepts],
    ["Required", required ? "yes" : undefined],
    ["Default", option.default],
  ];
}
