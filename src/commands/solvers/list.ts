import { line, table } from "../../result.ts";
import { builtInSolvers, installedSolvers, loadSolver } from "../../solvers/registry.ts";
import { Problem } from "../../problem.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "solvers list",
  summary: "List solvers: built in, and installed as packages",
  options: {},
  async run(_, context) {
    const names = [...(await builtInSolvers()), ...(await installedSolvers(context))];
    const solvers = await Promise.all(names.map((name) => listed(name, context)));
    const rows = solvers.map(({ name, challengeTypes, origin, summary }) => [
      name,
      challengeTypes.join(", "),
      origin,
      summary,
    ]);
    return {
      document: { outcome: "shown", solvers },
      view: [
        table(["NAME", "CHALLENGES", "FROM", "WHAT IT DOES"], rows),
        line(
          "`acmectl solvers show NAME` shows the options of one. A solver can also be a file: --solver ./my-solver.ts",
          "dim",
        ),
      ],
    };
  },
});

interface Listed {
  readonly name: string;
  readonly summary: string;
  readonly challengeTypes: readonly string[];
  readonly origin: string;
}

/** A broken package is a line of the list, not its end. */
async function listed(name: string, { cwd }: Context): Promise<Listed> {
  try {
    const { plugin, origin } = await loadSolver(name, { cwd });
    const { summary, challengeTypes } = plugin;
    return { name, summary, challengeTypes, origin };
  } catch (error) {
    if (!Problem.is(error)) throw error;
    return { name, summary: error.message, challengeTypes: [], origin: "unusable" };
  }
}
