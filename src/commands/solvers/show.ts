import { describeOptions, type OptionDescription } from "../../options/describe.ts";
import { Problem } from "../../problem.ts";
import { loadSolver, type LoadedSolver } from "../../solvers/registry.ts";
import type { Block } from "../../result.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "solvers show",
  summary: "Show what a solver answers, and every option that it has",
  arguments: [
    {
      usage: "<solver>",
      description: "a built-in, a solver of the config, ./file.ts, or a package",
    },
  ],
  examples: ["acmectl solvers show webroot", "acmectl solvers show ./my-solver.ts"],
  options: {},
  async run(_, context) {
    const [asked] = context.args;
    if (asked === undefined) {
      throw new Problem("usage", {
        detail: "No solver was named.",
        hint: "acmectl solvers show NAME; `acmectl solvers list` shows the names.",
      });
    }
    const config = await context.config();
    const loaded = await loadSolver(config.solvers[asked]?.use ?? asked, context);
    const options = describeOptions(loaded.plugin.options, loaded.name);
    const { summary, challengeTypes } = loaded.plugin;
    const { name, origin, readme } = loaded;
    return {
      exitCode: 0,
      document: {
        outcome: "shown",
        solver: { name, summary, challengeTypes, origin, readme, options: options.map(told) },
      },
      view: [...aboutSolver(loaded), ...aboutOptions(options)],
    };
  },
});

function told(option: OptionDescription): object {
  return { ...option, hidden: undefined, flag: option.flag?.long };
}

function aboutSolver({ plugin, name, origin, readme }: LoadedSolver): readonly Block[] {
  return [
    { kind: "heading", text: name },
    {
      kind: "fields",
      entries: [
        ["What it does", plugin.summary],
        ["Answers", plugin.challengeTypes.join(", ")],
        ["From", origin],
        ...(readme === undefined ? [] : [["Read more", readme] as const]),
      ],
    },
  ];
}

function aboutOptions(options: readonly OptionDescription[]): readonly Block[] {
  if (options.length === 0) return [{ kind: "line", text: "It has no options." }];
  return [
    { kind: "heading", text: "Options" },
    ...options.flatMap((option): Block[] => [
      { kind: "line", text: option.name, tone: "strong" },
      { kind: "fields", entries: entriesOf(option) },
    ]),
    {
      kind: "line",
      text: "Every variable is also read with _FILE behind its name, from the file that it names.",
      tone: "dim",
    },
  ];
}

function entriesOf(option: OptionDescription): readonly (readonly [string, string])[] {
  const { description, flag, variables, secret, accepts, required } = option;
  const noFlag = secret ? "none, since it is secret" : "none";
  return [
    ["Meaning", description],
    ["Flag", flag === undefined ? noFlag : [flag.long, flag.placeholder].join(" ").trim()],
    ["Environment", variables.join(", ")],
    ["Takes", secret ? `${accepts}, or env:NAME, file:/path, cmd:program args` : accepts],
    ...(required ? [["Required", "yes"] as const] : []),
    ...(option.default === undefined ? [] : [["Default", option.default] as const]),
  ];
}
