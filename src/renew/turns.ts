import { createLimit, type Limit } from "../limit.ts";
import type { KnownCertificate } from "../status/certificates.ts";
import { dueOf } from "../status/due.ts";
import { failed, replace, type Pass, type Renewal } from "./renew.ts";

/** Replaces a certificate when it has its turn. */
export type Turns = (certificate: KnownCertificate) => Promise<Renewal>;

interface Waiting extends PromiseWithResolvers<Renewal> {
  readonly certificate: KnownCertificate;
}

/**
 * Of several runs that share a state, each works on other certificates: whose turn it is, is the first that no other run works
 * on. Those of other runs come last, and are waited for.
 */
export function openTurns(limit: Limit, pass: Pass): Turns {
  const waiting = new Map<string, Waiting>();
  const alone = createLimit(1);

  async function turn(): Promise<void> {
    const { next, claim } = await alone(() => choose(waiting, pass));
    try {
      next?.resolve(
        claim === undefined
          ? await replaceIfDue(next.certificate, pass)
          : await replace(next.certificate, pass),
      );
    } catch (error) {
      if (pass.context.signal.aborted) next?.reject(error);
      else next?.resolve(failed(next.certificate, error, pass));
    } finally {
      await claim?.release();
    }
  }

  return (certificate) => {
    const own = { certificate, ...Promise.withResolvers<Renewal>() };
    waiting.set(certificate.name, own);
    limit(turn).catch(own.reject);
    return own.promise;
  };
}

async function choose(waiting: Map<string, Waiting>, { store, context, options }: Pass) {
  const names = [...waiting.keys()];
  const due = new Date(context.clock.now().getTime() + options.every + 1);
  // Without a claim the first has its turn. If the state cannot be reached, only that one fails.
  const claim = await store.claim(names, options.force ? undefined : due).catch(() => undefined);
  const name = claim?.name ?? names[0] ?? "";
  const next = waiting.get(name);
  waiting.delete(name);
  return { next, claim };
}

/** Another run works on it, or has just renewed it. */
async function replaceIfDue(certificate: KnownCertificate, pass: Pass): Promise<Renewal> {
  const { context, options, store } = pass;
  const { name, held: before } = certificate;
  const found = await store.certificates.read(name);
  const isNew = found?.held !== undefined && found.held.version !== before?.version;
  if (found === undefined || !isNew || options.force) return replace(certificate, pass);
  const due = dueOf(found, context.clock.now(), options.every);
  if (due.at <= context.clock.now()) return replace(certificate, pass);
  return { name, outcome: "not due", due, held: found.held };
}
