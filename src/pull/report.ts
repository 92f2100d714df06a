import { Problem, problemJson } from "../problem.ts";
import { type Block, type Result, heading, line, table } from "../result.ts";
import type { Pulled } from "./one.ts";

/** The result of a pull: one document, and a block for each certificate of which there is something to say. */
export function reportPulled(pulled: readonly Pulled[]): Result {
  const problem = problemOf(pulled);
  const isChanged = pulled.some(({ outcome }) => ["pulled", "deployed"].includes(outcome));
  const shown = pulled.flatMap(viewOf);
  const same = pulled.filter(({ outcome }) => outcome === "unchanged").length;
  return {
    document: {
      outcome: problem !== undefined ? "failed" : isChanged ? "pulled" : "unchanged",
      certificates: pulled.map(documentOf),
    },
    view: [
      ...shown,
      ...(pulled.length === 0
        ? [line("The state has none of the certificates that this host selects.", "warn")]
        : []),
      ...(same > 0 ? [line(`${counted(same)} up to date.`, "dim")] : []),
    ],
    problem,
  };
}

const counted = (count: number) => (count === 1 ? "1 certificate is" : `${count} certificates are`);

/** What one failed with; of several, a `deploy` Problem. */
function problemOf(pulled: readonly Pulled[]): Problem | undefined {
  const failed = pulled.flatMap(({ name, problem }) => (problem ? [{ name, problem }] : []));
  if (failed.length < 2) return failed[0]?.problem;
  return new Problem("deploy", {
    detail: `Pulling or deploying failed for ${failed.length} of ${pulled.length} certificates.`,
    hint: "Fix what they report; the next `acmectl pull` tries again.",
    subproblems: failed.map(({ name, problem }) => ({ ...problem.document, title: name })),
  });
}

function documentOf({ name, outcome, held, files, steps, note, problem }: Pulled) {
  return {
    name,
    outcome,
    identifiers: held?.meta.identifiers,
    serial: held?.meta.serial,
    notAfter: held?.meta.notAfter,
    version: held?.version,
    paths: files,
    deploy: steps,
    note,
    problem: problem && problemJson(problem),
  };
}

function viewOf({ name, outcome, held, files, steps, note }: Pulled): readonly Block[] {
  if (outcome === "unchanged") return [];
  const said: Readonly<Partial<Record<Pulled["outcome"], Block>>> = {
    pulled: line(`Version ${held?.version} is in ${files?.fullchain ?? "place"}.`, "good"),
    deployed: line("Deployed.", "good"),
    missing: line(note ?? "", "warn"),
    waiting: line(note ?? "", "warn"),
  };
  // What was left is in a warning.
  if (outcome === "left") return [];
  const rows = steps.map(({ step, state, at }) => [state, at ?? "-", step]);
  // The problem is shown by itself.
  if (said[outcome] === undefined && rows.length === 0) return [];
  return [
    heading(name),
    ...(said[outcome] === undefined ? [] : [said[outcome]]),
    ...(rows.length === 0 ? [] : [table(["STATE", "SINCE", "STEP"], rows)]),
  ];
}
