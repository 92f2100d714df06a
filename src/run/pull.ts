import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { messageWithHint, Problem } from "../problem.ts";
import { pullCertificates } from "../pull/pull.ts";

/** Milliseconds: not every state sends notices of new versions, and notices may be lost. */
const interval = 60_000;

/** Pulls what the section `pull` of the config selects; answers when to pull again, if at all. Rejects only when the run is stopped. */
export async function pullPass(context: Context): Promise<Date | undefined> {
  const { pull } = await context.config();
  if (Object.keys(pull).length === 0) return undefined;
  const { clock, log, signal } = context;
  try {
    for (const { name, outcome, held, problem } of await pullCertificates({ names: [] }, context)) {
      const fields = { step: "pull", certificate: name };
      if (problem !== undefined) log.warn(`${name}: ${messageWithHint(problem)}`, fields);
      if (outcome === "pulled") log.info(`${name}: pulled version ${held?.version}`, fields);
      if (outcome === "deployed") log.info(`${name}: deployed`, fields);
    }
  } catch (error) {
    signal.throwIfAborted();
    const why = Problem.is(error) ? messageWithHint(error) : messageOf(error);
    log.warn(`could not pull certificates: ${why}`, { step: "pull" });
  }
  return new Date(clock.now().getTime() + interval);
}
