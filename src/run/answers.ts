import type { Clock } from "../clock.ts";
import type { Answer } from "../plugin.ts";

/** What this host knows of the answers in the state. */
export interface KnownAnswers {
  /** The answer to one question, which `is` recognizes. Rejects if the state cannot be read. */
  find(is: (answer: Answer) => boolean): Promise<Answer | undefined>;
}

/** Milliseconds between two reads of the state, however many ask. */
const pause = 250;
/** Milliseconds for which an answer is given without a look whether it was removed. */
const lasting = 30_000;

/**
 * The state is read when something is asked for that is not known, and for all who ask at the same time once: a flood of unknown
 * tokens costs four reads a second, and a quiet host none. A question is answered by a read that began after it, so
 * what was put before is always found.
 */
export function openAnswers(
  list: () => Promise<readonly Answer[]>,
  clock: Pick<Clock, "monotonic" | "sleep">,
): KnownAnswers {
  let known: { readonly at: number; readonly answers: readonly Answer[] } | undefined;
  let next: Promise<readonly Answer[]> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let startedAt = Number.NEGATIVE_INFINITY;

  async function read(): Promise<readonly Answer[]> {
    await last;
    const wait = startedAt + pause - clock.monotonic();
    if (wait > 0) await clock.sleep(wait, never);
    startedAt = clock.monotonic();
    const at = startedAt;
    // Who asks from here on needs a later read.
    next = undefined;
    const reading = list();
    last = reading.catch(() => undefined);
    const answers = await reading;
    known = { at, answers };
    return answers;
  }
  return {
    async find(is) {
      const isFresh = known !== undefined && clock.monotonic() - known.at < lasting;
      const found = isFresh ? known?.answers.find(is) : undefined;
      return found ?? (await (next ??= read())).find(is);
    },
  };
}

const never = new AbortController().signal;
