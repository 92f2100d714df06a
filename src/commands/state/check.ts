import { quotedWord } from "../../options/words.ts";
import { Problem } from "../../problem.ts";
import { type Block, line } from "../../result.ts";
import type { Finding, Store } from "../../state/store.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "state check",
  summary: "Check the state for damage and repair it; offline",
  description:
    "Finds what copies, restored backups and changes by hand break: lost links, renamed folders, keys without their certificate, unreadable records, leftovers of killed runs.",
  examples: ["acmectl state check", "acmectl state check --repair"],
  options: {
    repair: { type: "boolean", description: "Repair what can be repaired without a CA." },
  },
  async run(flags, context) {
    const store = await context.store();
    if (!(await store.exists())) throw missing(store);
    const findings = await store.check({ repair: flags.repair === true });
    const open = findings.filter(({ done }) => done === undefined);
    const outcome = open.length > 0 ? "damaged" : findings.length > 0 ? "repaired" : "unchanged";
    return {
      document: { outcome, findings },
      view:
        findings.length === 0
          ? [line(`Found no damage in ${store.where}.`, "good")]
          : findings.flatMap(linesOf),
      problem: open.length === 0 ? undefined : problemOf(open, findings.length, store),
    };
  },
});

function problemOf(open: readonly Finding[], all: number, { where }: Store): Problem {
  const command = `acmectl state check --repair --state ${quotedWord(where)}`;
  const count = open.filter(({ repairable }) => repairable === true).length;
  const some = `Repair ${count} of them, and follow the remedies above for the others: ${command}`;
  const hint = count === open.length ? `Repair it: ${command}` : some;
  return new Problem("machine", {
    title: "The state is damaged",
    detail: `${open.length} of ${all} findings in ${where} are not repaired.`,
    hint: count === 0 ? "Follow the remedies above." : hint,
    retryable: false,
  });
}

function missing({ where }: Store): Problem {
  return new Problem("usage", {
    title: "Nothing to check",
    detail: `The state folder ${where} does not exist.`,
    hint: "Give the right one with --state DIR (is its disk mounted?), or run as the user that renews. The first `acmectl issue` makes it.",
  });
}

function linesOf({ where, fault, remedy = "", done }: Finding): readonly Block[] {
  const text = line(`${where}: ${fault.replace(/\.$/, "")}.`, done === undefined ? "bad" : "warn");
  const next = done === undefined ? remedy : `Repaired: ${done}.`;
  return next === "" ? [text] : [text, line(`  ${next}`)];
}
