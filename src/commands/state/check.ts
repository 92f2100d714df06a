import { Problem } from "../../problem.ts";
import type { Block } from "../../result.ts";
import type { Finding } from "../../state/store.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  name: "state check",
  summary: "Check the state folder for damage and repair it; offline",
  description:
    "Finds what copies, restored backups and changes by hand break: lost links, renamed folders, keys without their certificate, unreadable records, leftovers of killed runs.",
  examples: ["acmectl state check", "acmectl state check --repair"],
  options: {
    repair: { type: "boolean", description: "Repair what can be repaired without a CA." },
  },
  async run(flags, context) {
    const store = await context.store();
    const findings = await store.check({ repair: flags.repair === true });
    const open = findings.filter(({ done }) => done === undefined);
    const document = { outcome: outcomeOf(findings, open), findings };
    const view = findings.length === 0 ? [fine(store.where)] : findings.flatMap(linesOf);
    if (open.length === 0) return { exitCode: 0, document, view };
    const problem = new Problem("machine", {
      title: "The state folder is damaged",
      detail: `${open.length} of ${findings.length} findings in ${store.where} are not repaired.`,
      hint:
        flags.repair === true
          ? "Follow the remedies above."
          : `Repair it: acmectl state check --repair --state ${store.where}`,
      retryable: false,
    });
    return { exitCode: problem.exitCode, document, view, problem };
  },
});

function outcomeOf(findings: readonly Finding[], open: readonly Finding[]): string {
  if (open.length > 0) return "damaged";
  return findings.length > 0 ? "repaired" : "unchanged";
}

function linesOf({ where, fault, remedy, done }: Finding): readonly Block[] {
  const text = `${where}: ${fault.replace(/\.$/, "")}.`;
  const next = done === undefined ? (remedy ?? "") : `Repaired: ${done}.`;
  return [
    { kind: "line", text, tone: done === undefined ? "bad" : "warn" },
    ...(next === "" ? [] : [{ kind: "line", text: `  ${next}` } as const]),
  ];
}

function fine(where: string): Block {
  return { kind: "line", text: `Found no damage in ${where}.`, tone: "good" };
}
