import { hostname } from "node:os";
import type { Context } from "../../context.ts";
import { nearest } from "../../options/near.ts";
import { asProblem, Problem, problemJson } from "../../problem.ts";
import { line, type Result } from "../../result.ts";
import { testNotification } from "../../notify/digest.ts";
import { send } from "../../notify/send.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "notify test",
  summary: "Send a test message to each entry of notify in the config",
  arguments: [
    {
      usage: "[name...]",
      description: "only these entries of notify; default: all",
      offers: "notifiers",
    },
  ],
  examples: ["acmectl notify test", "acmectl notify test ops"],
  options: {},
  async run(_options, context) {
    const names = await chosen(context);
    const outcomes = await Promise.all(names.map(async (name) => tested(name, context)));
    return present(outcomes);
  },
});

async function chosen(context: Context): Promise<readonly string[]> {
  const { notify, path } = await context.config();
  const known = Object.keys(notify);
  if (known.length === 0) {
    throw new Problem("usage", {
      detail: `The config file ${path} has no entry in notify.`,
      hint: "Add one, such as: notify: { ops: { email: ops@example.com } }",
    });
  }
  const unknown = context.args.find((name) => !known.includes(name));
  if (unknown === undefined) return context.args.length === 0 ? known : context.args;
  const near = nearest(unknown, known);
  throw new Problem("usage", {
    detail: `notify has no entry ${JSON.stringify(unknown)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    hint: `Use one of ${known.join(", ")}.`,
  });
}

interface Tested {
  readonly name: string;
  readonly problem?: Problem | undefined;
}

async function tested(name: string, context: Context): Promise<Tested> {
  const { notify } = await context.config();
  const entry = notify[name];
  if (entry === undefined) return { name };
  try {
    await send(entry, testNotification(hostname(), context.clock.now()), context);
    return { name };
  } catch (error) {
    context.signal.throwIfAborted();
    return {
      name,
      problem: Problem.is(error) || !isOfPlugin(entry) ? asProblem(error) : thrown(error),
    };
  }
}

const isOfPlugin = ({ plugin }: { plugin?: unknown }) => plugin !== undefined;

/** By a notifier of the user. */
function thrown(error: unknown): Problem {
  return new Problem("plugin", {
    title: "The notifier failed",
    detail: String(error),
    cause: error,
  });
}

function present(outcomes: readonly Tested[]): Result {
  const failed = outcomes.flatMap(({ name, problem }) => (problem ? [{ name, problem }] : []));
  const sent = outcomes.filter(({ problem }) => problem === undefined);
  const [first] = failed;
  return {
    document: {
      outcome: failed.length === 0 ? "sent" : "failed",
      notify: outcomes.map(({ name, problem }) => ({
        name,
        outcome: problem === undefined ? "sent" : "failed",
        problem: problem && problemJson(problem),
      })),
    },
    view: sent.map(({ name }) => line(`Sent a test message to ${name}.`, "good")),
    problem: failed.length > 1 ? several(failed) : first && named(first),
  };
}

function named({ name, problem }: Required<Pick<Tested, "name">> & { problem: Problem }): Problem {
  return problem.with({ detail: `${name}: ${problem.message}` });
}

function several(failed: readonly { name: string; problem: Problem }[]): Problem {
  const hints = new Set(failed.flatMap(({ problem }) => problem.hint ?? []));
  return new Problem("partial", {
    title: `${failed.length} test messages failed`,
    detail: failed.map(({ name, problem }) => `${name}: ${problem.message}`).join("\n"),
    hint: hints.size === 0 ? undefined : [...hints].join("\n"),
    subproblems: failed.map(({ problem }) => problem.document),
  });
}
