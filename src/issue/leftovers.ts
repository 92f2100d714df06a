import type { PresentedChallenge, Store } from "../store/store.ts";
import { Problem } from "../problem.ts";
import type { SolverSet } from "./solvers.ts";
import type { IssueTools } from "./tools.ts";

/**
 * Undo what a run that died has presented. What cannot be undone now stays in the journal for the next run; it never
 * stops the one that tries.
 */
export async function cleanLeftovers(
  name: string,
  { store, solvers, log, signal }: Pick<IssueTools, "store" | "solvers" | "log" | "signal">,
): Promise<void> {
  const pending = await store.journal.read(name);
  if (pending === undefined || pending.presented.length === 0) return;
  const left: PresentedChallenge[] = [];
  for (const entry of pending.presented) {
    const identifier = entry.challenge.identifier.value;
    try {
      signal.throwIfAborted();
      await undo(entry, solvers, signal);
      log.info(`removed what a former run left behind for ${identifier}`, {
        step: "cleanup",
        identifier,
      });
    } catch (error) {
      left.push(entry);
      const reason = error instanceof Error ? error.message : String(error);
      log.warn(`could not remove what a former run left behind for ${identifier}: ${reason}`, {
        step: "cleanup",
        identifier,
      });
    }
  }
  if (left.length === 0 && pending.orderUrl === undefined) await store.journal.remove(name);
  else await store.journal.write({ ...pending, presented: left });
}

async function undo(
  entry: PresentedChallenge,
  solvers: SolverSet,
  signal: AbortSignal,
): Promise<void> {
  const { solver } = await solvers.open(entry.solver);
  await solver.cleanup(entry.challenge, entry.receipt ?? undefined, { signal });
}

/** The same for every certificate whose lock is free: called once at the start of a command that issues. */
export async function cleanAllLeftovers(
  tools: Pick<IssueTools, "store" | "solvers" | "log" | "signal">,
): Promise<void> {
  for (const name of await tools.store.journal.names()) {
    const lock = await freeLock(tools.store, name, tools.signal);
    if (lock === undefined) continue;
    try {
      await cleanLeftovers(name, tools);
    } finally {
      await lock.release();
    }
  }
}

async function freeLock(store: Store, name: string, signal: AbortSignal) {
  try {
    return await store.lock(`certificate:${name}`, { wait: 0, signal });
  } catch (error) {
    if (Problem.is(error) && error.is("locked")) return undefined;
    throw error;
  }
}
