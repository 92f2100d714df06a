import { readText } from "../../state/folder/files.ts";
import { describeOptions, type OptionDescription } from "../../options/describe.ts";
import { loadSolver } from "../../solvers/registry.ts";
import { type Block, type Entry, fields, heading, line, verbatim } from "../../result.ts";
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
  options: {},
  async run(_, context) {
    const [asked = ""] = context.args;
    const config = await context.config();
    const loaded = await loadSolver(config.solvers[asked]?.use ?? asked, context);
    const { plugin, name, origin, readme } = loaded;
    const { summary, challengeTypes } = plugin;
    const options = describeOptions(plugin.options, name);
    const text = readme === undefined ? undefined : await readText(readme);
    const permissions = marked.exec(text ?? "")?.[1];
    const documents = options.map((one) => ({ ...one, hidden: undefined, flag: one.flag?.long }));
    return {
      document: {
        outcome: "shown",
        solver: { name, summary, challengeTypes, origin, readme, permissions, options: documents },
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
      ],
    };
  },
});

/** The least permissions, ready to be applied, where the README marks them. */
const marked = /<!-- permissions -->\s*```\w*\n([\s\S]*?)\n```/u;

function aboutPermissions(permissions: string): readonly Block[] {
  return [heading("Permissions"), verbatim(permissions)];
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
