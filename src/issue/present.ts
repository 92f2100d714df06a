import type { Call, Log } from "../plugin.ts";
import { solverProblem } from "../solvers/bounded.ts";
import { fieldsOf, provenName, type Attempt } from "./challenges.ts";
import type { Journal } from "./journal.ts";
import type { OpenSolver } from "../solvers/open.ts";
import type { IssueTools } from "./tools.ts";
import { messageOf } from "../errors.ts";

/** A challenge that was presented, or may have been: `present` threw, and clean-up is owed all the same. */
export interface Published {
  readonly attempt: Attempt;
  readonly receipt: unknown;
}

export interface Presented {
  readonly published: readonly Published[];
  readonly failures: ReadonlyMap<Attempt, unknown>;
}

/** Present all; each solver in one call where it has one for many. `owed` collects what must be cleaned up later. */
export async function present(
  attempts: readonly Attempt[],
  journal: Journal,
  owed: Published[],
  { log, signal }: IssueTools,
): Promise<Presented> {
  const published: Published[] = [];
  const failures = new Map<Attempt, unknown>();
  await journal.presenting(attempts);
  const each = async (
    batch: readonly Attempt[],
    call: () => Promise<readonly unknown[]>,
  ): Promise<void> => {
    try {
      const receipts = await call();
      for (const [index, attempt] of batch.entries()) {
        const done = { attempt, receipt: receipts[index] };
        published.push(done);
        owed.push(done);
        await journal.presented(attempt, receipts[index] ?? null);
        tellPresented(attempt, log);
      }
    } catch (error) {
      for (const attempt of batch) {
        owed.push({ attempt, receipt: undefined });
        const { open, challenge } = attempt;
        const what = `Solver ${open.setting.name} could not present ${challenge.type} for ${challenge.identifier.value}`;
        failures.set(attempt, solverProblem(what, error, challenge.identifier));
      }
    }
  };
  const runs = [...Map.groupBy(attempts, ({ open }) => open)].map(async ([open, batch]) => {
    const names = batch.map(({ challenge }) => provenName(challenge)).join(", ");
    log.info(`presenting ${batch[0]?.challenge.type} for ${names} by ${open.setting.name}`, {
      step: "present",
    });
    await inBatches(open, batch, each, { signal });
  });
  const results = await Promise.allSettled(runs);
  signal.throwIfAborted();
  for (const result of results) if (result.status === "rejected") throw result.reason;
  return { published, failures };
}

function tellPresented(attempt: Attempt, log: Log): void {
  const { place, solver, ...fields } = fieldsOf(attempt);
  const status = "presented";
  log.debug(`${solver} has presented ${fields.challenge} at ${place}`, {
    step: "present",
    ...fields,
    solver,
    place,
    status,
  });
}

type Each = (batch: readonly Attempt[], call: () => Promise<readonly unknown[]>) => Promise<void>;

async function inBatches(
  open: OpenSolver,
  batch: readonly Attempt[],
  each: Each,
  call: Call,
): Promise<void> {
  const { solver, limit } = open;
  if (solver.presentAll !== undefined && batch.length > 1) {
    const challenges = batch.map(({ challenge }) => challenge);
    await each(batch, () =>
      limit(async () => (await solver.presentAll?.(challenges, call)) ?? [], call.signal),
    );
    return;
  }
  await Promise.all(
    batch.map((attempt) =>
      each([attempt], () =>
        limit(async () => [await solver.present(attempt.challenge, call)], call.signal),
      ),
    ),
  );
}

/** Milliseconds for all clean-ups after Ctrl-C: whoever waits at the keyboard, or stops a service, waits no longer. */
const afterStop = 10_000;

/** Clean up all that is owed, on a signal and deadline of its own. A failure warns, stays in the journal and hides nothing. */
export async function withdraw(
  owed: readonly Published[],
  journal: Journal,
  tools: IssueTools,
): Promise<void> {
  if (owed.length === 0) return;
  const deadline = new AbortController();
  // Not AbortSignal.timeout: its timer does not keep a process alive that waits for nothing else.
  const timer = setTimeout(
    () => deadline.abort(new Error("it did not end in time")),
    tools.signal.aborted ? Math.min(afterStop, tools.timeouts.cleanup) : tools.timeouts.cleanup,
  );
  const call = { signal: deadline.signal };
  const byOpen = Map.groupBy(owed, ({ attempt }) => attempt.open);
  try {
    await Promise.all(
      [...byOpen].map(([open, items]) => withdrawFrom(open, items, journal, tools, call)),
    );
  } finally {
    clearTimeout(timer);
  }
}

async function withdrawFrom(
  { solver, limit, setting }: OpenSolver,
  items: readonly Published[],
  journal: Journal,
  { log }: IssueTools,
  call: Call,
): Promise<void> {
  const each = async (batch: readonly Published[], cleanup: () => Promise<void>): Promise<void> => {
    const names = batch.map(({ attempt }) => provenName(attempt.challenge)).join(", ");
    try {
      await limit(cleanup);
      await journal.cleaned(batch.map(({ attempt }) => attempt));
      log.debug(`cleaned up after ${names}`, { step: "cleanup" });
    } catch (error) {
      const reason = messageOf(error);
      log.warn(
        `${setting.name} could not clean up after ${names}: ${reason}; the next run tries again`,
        { step: "cleanup" },
      );
    }
  };
  if (solver.cleanupAll !== undefined && items.length > 1) {
    const list = items.map(({ attempt, receipt }) => ({ challenge: attempt.challenge, receipt }));
    await each(items, async () => solver.cleanupAll?.(list, call));
    return;
  }
  await Promise.all(
    items.map((item) =>
      each([item], () => solver.cleanup(item.attempt.challenge, item.receipt, call)),
    ),
  );
}
