/** Sends the notifications at the end of a run. A failure here does not change the result of the run. */
import { hostname } from "node:os";
import type { Context } from "../context.ts";
import { messageOf } from "../errors.ts";
import { isRecord } from "../json.ts";
import { composeConfigured } from "../request/configured.ts";
import { messageWithHint, Problem } from "../problem.ts";
import type { Config } from "../config/config.ts";
import type { BrokenCertificate } from "../state/store.ts";
import { eachKnown, type KnownCertificate } from "../status/certificates.ts";
import { type Digest, digestOf, type Memory, notificationOf } from "./digest.ts";
import { type Incident, incidentsOf } from "./incidents.ts";
import { send } from "./send.ts";

/** Never rejects. What could not be sent is sent by the next run. */
export async function notifyAfterRun(context: Context): Promise<void> {
  try {
    if (context.signal.aborted) return;
    const { notify } = await context.config();
    if (Object.keys(notify).length > 0) await notifyAll(context);
  } catch (error) {
    if (Problem.is(error) && error.is("locked")) return;
    context.log.warn(`could not send notifications: ${messageOf(error)}`, { step: "notify" });
  }
}

async function notifyAll(context: Context): Promise<void> {
  const { clock, signal } = context;
  const store = await context.store();
  if (!(await store.exists())) return;
  const lock = await store.lock("notifications", { wait: 0, signal });
  try {
    const config = await context.config();
    const state = store.solverState("sent notifications");
    const configured = await composeConfigured(config);
    const now = clock.now();
    const { incidents, names } = await incidentsOfAll(
      config.notify,
      eachKnown(configured, store, { files: false }),
      now,
    );
    const digests = Object.entries(config.notify).map(async ([name, entry]) => {
      const memory = memoryOf(await state.get(name));
      return [
        name,
        memory,
        digestOf(incidents.get(name) ?? [], names, entry, memory, now),
      ] as const;
    });
    const sent = (await Promise.all(digests)).map(async ([name, memory, digest]) => {
      const isTold = await tell(name, digest, now, context);
      if (isTold && JSON.stringify(memory) !== JSON.stringify(digest.memory))
        await state.set(name, digest.memory);
    });
    await Promise.all(sent);
  } finally {
    await lock.release();
  }
}

/** By the entry's name, and the names of all certificates. Of a certificate without incidents nothing else is kept. */
async function incidentsOfAll(
  notify: Config["notify"],
  each: AsyncIterable<KnownCertificate | BrokenCertificate>,
  now: Date,
) {
  const incidents = new Map<string, Incident[]>(Object.keys(notify).map((name) => [name, []]));
  const names = new Set<string>();
  for await (const one of each) {
    names.add(one.name);
    const known =
      "problem" in one ? { certificates: [], broken: [one] } : { certificates: [one], broken: [] };
    for (const [name, { before }] of Object.entries(notify))
      incidents.get(name)?.push(...incidentsOf(known, before, now));
  }
  return { incidents, names };
}

/** False if it did not arrive. */
async function tell(
  name: string,
  { items }: Digest,
  now: Date,
  context: Context,
): Promise<boolean> {
  if (items.length === 0) return true;
  const { notify } = await context.config();
  const entry = notify[name];
  if (entry === undefined) return true;
  try {
    await send(entry, notificationOf(items, hostname(), now), context);
    context.log.debug(`notified ${name}: ${items.length} events`, { step: "notify" });
    return true;
  } catch (error) {
    const why = Problem.is(error) ? messageWithHint(error) : messageOf(error);
    const text = `could not notify ${name}; the next run tries again: ${why}`;
    context.log.warn(text, { step: "notify" });
    return false;
  }
}

function memoryOf(value: unknown): Memory {
  if (!isRecord(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(isTold));
}

function isTold(entry: [string, unknown]): entry is [string, Memory[string]] {
  const [, one] = entry;
  const texts = ["event", "certificate", "title", "detail", "signature", "since", "at"];
  return (
    isRecord(one) &&
    texts.every((key) => typeof one[key] === "string") &&
    Array.isArray(one["names"])
  );
}
