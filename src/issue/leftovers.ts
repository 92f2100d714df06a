/** Challenges that a run has presented and could not clean up. */
import { messageOf } from "../errors.ts";
import { cleanUpBy } from "../solvers/open.ts";
import type { HeldCertificate, PendingOrder, PresentedChallenge } from "../state/store.ts";
import { ended, stillOpen } from "./journal.ts";
import { provenName } from "./proof/challenges.ts";
import type { LeftoverTools } from "./tools.ts";

/** What the journal has once all was undone that can be, and an order whose certificate is held was ended. */
export async function clean(
  known: PendingOrder,
  tools: LeftoverTools,
): Promise<PendingOrder | undefined> {
  const { name } = known;
  const { journal, certificates } = tools.store;
  const held = (await certificates.read(name))?.held;
  // Killed after the commit.
  const isDone = isFinished(known, held);
  const others = stillOpen(known.others, tools.clock);
  const isOver = isDone || others?.length !== known.others?.length;
  if (known.presented.length === 0 && !isOver) return known;
  const presented = await undoAll(name, known.presented, tools);
  const pending: PendingOrder = { ...known, ...(isDone ? ended : {}), others, presented };
  if (isOpen(pending)) {
    await journal.write(pending);
    return pending;
  }
  await journal.remove(name);
  return undefined;
}

function isOpen({ orderUrl, others, presented }: PendingOrder): boolean {
  return presented.length > 0 || orderUrl !== undefined || others !== undefined;
}

function isFinished({ orderUrl }: PendingOrder, held: HeldCertificate | undefined): boolean {
  const orders = [held?.meta.orderUrl, held?.meta.second?.orderUrl];
  return orderUrl !== undefined && orders.includes(orderUrl);
}

/** Undo what was presented, as far as that is possible now. Answers what could not be undone. */
async function undoAll(
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
