import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { pullCertificates } from "../pull/pull.ts";
import type { Look } from "./next.ts";

/** Milliseconds: other hosts renew, and the state says nothing of it. */
const interval = 60_000;

/** What the section `pull` of the config selects; the look that comes first. Rejects only when the run is stopped. */
export async function pullPass(next: Look, context: Context): Promise<Look> {
  const { pull } = await context.config();
  if (Object.keys(pull).length === 0) return next;
  const { clock, log, signal } = context;
  try {
    for (const { name, outcome, held, problem } of await pullCertificates({ names: [] }, context)) {
      const fields = { step: "pull", certificate: name };
      if (problem !== undefined)
        log.warn(`${name}: ${problem.message}`, { ...fields, hint: problem.hint });
      if (outcome === "pulled") log.info(`${name}: version ${held?.version} is here`, fields);
      if (outcome === "deployed") log.info(`${name}: deployed`, fields);
    }
  } catch (error) {
    signal.throwIfAborted();
    log.warn(`could not pull certificates: ${messageOf(error)}`, { step: "pull" });
  }
  const at = new Date(clock.now().getTime() + interval);
  return at < next.at ? { at } : next;
}
