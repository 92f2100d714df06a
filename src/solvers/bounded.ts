import type { Call, Identifier, Solver } from "../plugin.ts";
import { Problem } from "../problem.ts";
import { messageOf } from "../errors.ts";

/** Milliseconds. */
export interface SolverLimits {
  /** For one call that publishes or looks. */
  readonly call: number;
  /** For one call that cleans up. */
  readonly cleanup: number;
  readonly close: number;
  /** How long a call may still take after it was aborted, to end what it has begun. */
  readonly grace: number;
}

export const solverLimits: SolverLimits = {
  call: 300_000,
  cleanup: 30_000,
  close: 3_000,
  grace: 2_000,
};

/**
 * The same solver, with a time limit for each call: a promise of a plugin that never settles would stop the run, or end the
 * process without a message.
 */
export function boundedSolver(
  name: string,
  solver: Solver,
  limits: SolverLimits = solverLimits,
): Solver {
  const publish = <T>(verb: string, call: Call, work: (call: Call) => Promise<T>) =>
    within(limits.call, limits.grace, `Solver ${name} did not ${verb}`, call, work);
  const clean = <T>(verb: string, call: Call, work: (call: Call) => Promise<T>) =>
    within(limits.cleanup, limits.grace, `Solver ${name} did not ${verb}`, call, work);
  return {
    present: (challenge, call) =>
      publish(`present ${challenge.type} for ${challenge.identifier.value}`, call, (bounded) =>
        solver.present(challenge, bounded),
      ),
    cleanup: (challenge, receipt, call) =>
      clean(`clean up after ${challenge.identifier.value}`, call, (bounded) =>
        solver.cleanup(challenge, receipt, bounded),
      ),
    ...(solver.preflight !== undefined && {
      preflight: (targets, call) =>
        publish("check itself", call, async (bounded) => solver.preflight?.(targets, bounded)),
    }),
    ...(solver.presentAll !== undefined && {
      presentAll: (challenges, call) =>
        publish(
          "present",
          call,
          async (call) => (await solver.presentAll?.(challenges, call)) ?? [],
        ),
    }),
    ...(solver.cleanupAll !== undefined && {
      cleanupAll: (items, call) =>
        clean("clean up", call, async (bounded) => solver.cleanupAll?.(items, bounded)),
    }),
    ...(solver.checkPropagation !== undefined && {
      checkPropagation: (challenge, receipt, call) =>
        publish(
          "report whether the response is live",
          call,
          async (bounded) => (await solver.checkPropagation?.(challenge, receipt, bounded)) ?? true,
        ),
    }),
    close: () => {
      const call = { signal: new AbortController().signal };
      return within(limits.close, 0, `Solver ${name} did not close`, call, async () =>
        solver.close?.(),
      );
    },
  };
}

/** Ends with the work, or when the caller or the limit aborted it and a grace period has passed. */
export async function within<T>(
  limit: number,
  grace: number,
  failure: string,
  call: Call,
  work: (call: Call) => Promise<T>,
): Promise<T> {
  const late = new AbortController();
  const signal = AbortSignal.any([call.signal, late.signal]);
  const abandoned = Promise.withResolvers<never>();
  let graceTimer: NodeJS.Timeout | undefined;
  const abandon = () => {
    graceTimer = setTimeout(() => abandoned.reject(signal.reason), grace);
  };
  const timer = setTimeout(() => late.abort(tooLong(failure, limit)), limit);
  if (signal.aborted) abandon();
  signal.addEventListener("abort", abandon, { once: true });
  try {
    return await Promise.race([work({ ...call, signal }), abandoned.promise]);
  } finally {
    clearTimeout(timer);
    clearTimeout(graceTimer);
    signal.removeEventListener("abort", abandon);
  }
}

/** The Problem of a solver that failed: its own, or one for `what` and the error. */
export function solverProblem(what: string, error: unknown, identifier?: Identifier): Problem {
  if (Problem.is(error)) return error;
  return new Problem("solver", {
    detail: `${what}: ${messageOf(error)}`,
    identifier,
    cause: error,
  });
}

function tooLong(failure: string, limit: number): Problem {
  return new Problem("solver", {
    title: "A solver takes too long",
    detail: `${failure} within ${Math.round(limit / 1000)} s.`,
    hint: "Run again with -v to see what it is waiting for. A solver has to succeed or fail within this time.",
  });
}
