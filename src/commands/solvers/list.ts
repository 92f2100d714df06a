import { line, table } from "../../result.ts";
import { builtInSolvers, installedSolvers, loadSolver } from "../../solvers/registry.ts";
import { asProblem, Problem } from "../../problem.ts";
import type { Context } from "../../context.ts";
import { defineCommand } from "../command.ts";

const more =
  "`acmectl solvers show NAME` shows the options of one. A solver can also be a file: --solver ./my-solver.ts";

export const command = defineCommand({
  name: "solvers list",
  summary: "List solvers: built in, and installed as packages",
  options: {},
  async run(_, context) {
    const names = [...(await builtInSolvers()), ...(await installedSolvers(context))];
    const solvers = await Promise.all(names.map((name) => listed(name, context)));
    const rows = solvers.map((one) => {
      return [one.name, one.challengeTypes.join(", "), one.origin, one.summary];
    });
    return {
      document: { outcome: "shown", solvers },
      view: [table(["NAME", "CHALLENGES", "FROM", "WHAT IT DOES"], rows), line(more, "dim")],
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
async function listed(name: string, context: Context): Promise<Listed> {
  const loaded = await loadSolver(name, context).catch(asProblem);
  if (Problem.is(loaded))
    return { name, summary: loaded.message, challengeTypes: [], origin: "unusable" };
  const { plugin, origin } = loaded;
  return { name, summary: plugin.summary, challengeTypes: plugin.challengeTypes, origin };
}
