import type { AccountSession } from "../acme/acme.ts";
import type { CertificateRequest } from "../certificate.ts";
import type { PendingChallenge } from "./challenges.ts";
import { combined, fallBack } from "./fallback.ts";
import type { Journal } from "./journal.ts";
import { Problem } from "../problem.ts";
import type { Unseen } from "./self-check.ts";
import { cleanUp, present } from "./present.ts";
import { waitUntilVisible } from "./visibility.ts";
import type { IssueTools } from "./tools.ts";

/**
 * Breadth first: present all, wait until all are visible, respond to all, poll all; clean up whatever happened. A solver that
 * fails before the CA was asked makes room for the next one; once the CA was asked, its word is final.
 */
export async function solve(
  challenges: readonly PendingChallenge[],
  request: CertificateRequest,
  session: AccountSession,
  journal: Journal,
  tools: IssueTools,
): Promise<void> {
  if (challenges.length === 0) return;
  const { record } = tools;
  const unseen = new Map<PendingChallenge, Unseen>();
  try {
    const visible = await fallBack(
      challenges,
      "present",
      async (best) => {
        const { presented, failures } = await present(best, journal, tools);
        const seen = await waitUntilVisible(presented, request, tools);
        for (const [challenge, why] of seen.unseen) {
          unseen.set(challenge, why);
          const log = record.log("self-check", challenge.identifier.value);
          log.warn(`${why.text}; asking the CA anyway`);
        }
        const all = new Map([...failures, ...seen.failures]);
        for (const [challenge, error] of all) record.failed(challenge, error);
        return all;
      },
      tools,
    );
    const count = `${visible.length} name${visible.length === 1 ? "" : "s"}`;
    record.log("validation").info(`asking the CA to validate ${count}`);
    await validate(visible, unseen, session, tools);
  } finally {
    await cleanUp(journal, tools);
  }
}

/** Milliseconds until the CA has to have looked. */
const timeout = 10 * 60_000;

async function validate(
  challenges: readonly PendingChallenge[],
  unseen: ReadonlyMap<PendingChallenge, Unseen>,
  session: AccountSession,
  { signal, record }: IssueTools,
): Promise<void> {
  const results = await Promise.allSettled(
    challenges.map(async (challenge) => {
      try {
        await session.respond(challenge.offered, signal);
        await session.waitForAuthorization(challenge.authorization, { signal, timeout });
      } catch (error) {
        record.refused(challenge, error);
        const hint = unseen.get(challenge)?.hint;
        const hinted = hint !== undefined && Problem.is(error) && error.is("validation");
        throw hinted ? error.with({ hint }) : error;
      }
      record.validated(challenge);
    }),
  );
  signal.throwIfAborted();
  const errors = results.flatMap((result): readonly unknown[] =>
    result.status === "rejected" ? [result.reason] : [],
  );
  if (errors.length > 0) throw combined(errors, "validation");
}
