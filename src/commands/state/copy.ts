import { resolve } from "node:path";
import type { Context } from "../../context.ts";
import { Problem } from "../../problem.ts";
import { line } from "../../result.ts";
import { copyState, type CopiedItem } from "../../state/copy.ts";
import { isStateUrl } from "../../state/url.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "state copy",
  summary: "Copy a state into another, e.g. a folder into PostgreSQL",
  description:
    "Copies accounts, certificates in use, unfinished orders, ledgers and what solvers keep, and reads each back. It can be repeated: what is there already, or newer there, stays. Stop scheduled runs on the old state before.",
  examples: ["acmectl state copy /var/lib/acmectl postgres://acmectl@db.example.com/acmectl"],
  arguments: [
    { usage: "<from>", description: "Folder, or postgres:// or s3:// URL, to copy from." },
    {
      usage: "<to>",
      description: "Folder, or postgres:// or s3:// URL, to copy to; nothing in it is removed.",
    },
  ],
  options: {},
  async run(_, context) {
    const [from, to] = await Promise.all(context.args.map((place) => storeAt(place, context)));
    if (from === undefined || to === undefined || from.where === to.where) throw same();
    if (!(await from.exists())) throw missing(from.where);
    const items: CopiedItem[] = [];
    for await (const item of copyState(from, to, context.signal)) {
      items.push(item);
      if (item.outcome === "copied") context.log.info(`copied the ${item.item}`);
    }
    const named = (outcome: CopiedItem["outcome"]) =>
      items.filter((one) => one.outcome === outcome);
    const [copied, failed, newer] = [named("copied"), named("failed"), named("newer")];
    const kept = items.length - copied.length - failed.length - newer.length;
    const outcome = failed.length > 0 ? "failed" : copied.length > 0 ? "copied" : "unchanged";
    return {
      document: { outcome, copied: copied.map(({ item }) => item) },
      view: [
        line(
          `Copied ${copied.length} of ${items.length} items from ${from.where} to ${to.where}; unchanged: ${kept}.`,
          failed.length === 0 ? "good" : undefined,
        ),
        ...newer.map(({ item }) => line(`Kept the newer ${item}.`)),
        ...failed.map(({ item, problem }) => line(`${item}: ${problem?.message ?? ""}`, "bad")),
      ],
      problem: failed.length === 0 ? undefined : problemOf(failed, items.length),
    };
  },
});

function storeAt(place: string, context: Context) {
  return context.storeAt(isStateUrl(place) ? place : resolve(context.cwd, place));
}

function problemOf(failed: readonly CopiedItem[], all: number): Problem {
  const problems = failed.flatMap(({ problem }) => problem ?? []);
  return new Problem("partial", {
    detail: `${failed.length} of ${all} items were not copied.`,
    subproblems: problems.map(({ document }) => document),
    hint: problems.find(({ hint }) => hint !== undefined)?.hint,
  });
}

function same(): Problem {
  return new Problem("usage", {
    detail: "Both are the same state.",
    hint: "Give two: acmectl state copy FROM TO",
  });
}

function missing(where: string): Problem {
  return new Problem("usage", {
    detail: `${where} does not contain a state.`,
    hint: "Check the place to copy from.",
  });
}
