/** Challenges that a run has presented and could not clean up. */
import { messageOf } from "../errors.ts";
import { cleanUpBy } from "../solvers/open.ts";
import type { PresentedChallenge } from "../state/store.ts";
import { provenName } from "./proof/challenges.ts";
import type { IssueTools } from "./tools.ts";

export type LeftoverTools = Pick<IssueTools, "store" | "solvers" | "record" | "clock" | "signal">;

/** Undo what was presented, as far as that is possible now. Answers what could not be undone. */
export async function undoAll(
  name: string,
  presented: readonly PresentedChallenge[],
  tools: LeftoverTools,
): Promise<readonly PresentedChallenge[]> {
  const left: PresentedChallenge[] = [];
  const bySolver = Map.groupBy(presented, ({ solver }) => JSON.stringify(solver));
  for (const entries of bySolver.values()) left.push(...(await undoOf(name, entries, tools)));
  return left;
}

/** By the solver as it was then: the options of this run are another's. Answers what could not be undone. */
async function undoOf(
  name: string,
  entries: readonly PresentedChallenge[],
  { solvers, record, signal }: LeftoverTools,
): Promise<readonly PresentedChallenge[]> {
  const [first] = entries;
  if (first === undefined) return [];
  const left: PresentedChallenge[] = [];
  const log = record.log("cleanup");
  const keep = (batch: readonly PresentedChallenge[], error: unknown) => {
    left.push(...batch);
    const of = `${namesOf(batch)} (${placesOf(batch)})`;
    log.warn(
      `solver ${first.solver.name} could not clean up the challenges of an earlier run for ${of}: ${messageOf(error)}; every run tries again until it can, or until acmectl delete ${name}`,
    );
  };
  try {
    const { solver, limit } = await solvers.reopen(first.solver);
    await cleanUpBy(solver, entries, { signal }, async (batch, work) => {
      try {
        await limit(work, signal);
        log.info(`cleaned up the challenges of an earlier run for ${namesOf(batch)}`);
      } catch (error) {
        keep(batch, error);
      }
    });
  } catch (error) {
    for (const entry of entries) keep([entry], error);
  }
  return left;
}

function namesOf(batch: readonly PresentedChallenge[]): string {
  return batch.map(({ challenge }) => provenName(challenge)).join(", ");
}

function placesOf(batch: readonly PresentedChallenge[]): string {
  const places = batch.map(({ challenge }) =>
    "recordName" in challenge ? challenge.recordName : challenge.token,
  );
  return [...new Set(places)].join(", ");
}
