/** Notices that runs send each other (LISTEN, NOTIFY): what waits for another run learns at once that it may go on. */
import { Client } from "pg";
import { abortable } from "../../abortable.ts";
import { messageOf } from "../../errors.ts";
import type { SharedTools } from "../tools.ts";
import { clientOptions } from "./database.ts";
import type { DatabasePlace } from "./place.ts";

export interface Notices {
  /**
   * Calls `listener` for each notice of this topic, and once when they begin to arrive, until the function that it returns
   * is called. Notices may be lost, and do not arrive through a pooler: look now and then as well.
   */
  on(topic: string, listener: () => void): () => void;
}

const channel = "acmectl";

/** An expression that sends one. Their text is limited to 8000 bytes. */
export const notify = (topic: string) => `pg_notify('${channel}', left(${topic}, ${longest}))`;
const longest = 1000;

/** Milliseconds until a lost connection is made again. */
const pause = 2_000;

/** One connection while there are listeners, none otherwise. */
export function openNotices(
  place: () => DatabasePlace,
  { clock, log }: Pick<SharedTools, "clock" | "log">,
): Notices {
  const listeners = new Map<() => void, string>();
  const call = (topic?: string) => {
    for (const [listener, its] of listeners) if (topic === undefined || its === topic) listener();
  };
  let stopping: AbortController | undefined;
  let isPooled = false;

  async function listen(signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !isPooled) {
      try {
        isPooled = !(await listenOnce(place(), call, signal));
        if (isPooled)
          log.debug("a pooler is in front of the database, so this run asks again and again");
      } catch (error) {
        log.debug(`notices of other runs do not arrive: ${messageOf(error)}`);
        await clock.sleep(pause, signal).catch(() => undefined);
      }
    }
  }
  return {
    on(topic, listener) {
      listeners.set(listener, topic.slice(0, longest));
      if (stopping === undefined) {
        stopping = new AbortController();
        void listen(stopping.signal);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        stopping?.abort();
        stopping = undefined;
      };
    },
  };
}

/** Until the signal. False at once behind a pooler; rejects when the connection is lost. */
async function listenOnce(
  place: DatabasePlace,
  call: (topic?: string) => void,
  signal: AbortSignal,
): Promise<boolean> {
  const client = new Client(clientOptions(place));
  const lost = new Promise<never>((_, reject) => {
    client.on("error", reject);
    client.on("end", () => reject(new Error("the connection was closed")));
  });
  lost.catch(() => undefined);
  client.on("notification", ({ payload }) => call(payload));
  try {
    await client.connect();
    if (await isThroughPooler(client)) return false;
    await client.query(`LISTEN ${channel}`);
    // What was sent before is not heard.
    call();
    await abortable(lost, signal).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
    return true;
  } finally {
    client.end().catch(() => undefined);
  }
}

/**
 * A pooler gives clients a process id of its own. In transaction mode LISTEN would stay with a connection of the
 * server that belongs to other clients next.
 */
async function isThroughPooler(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ pid: number }>("SELECT pg_backend_pid() AS pid");
  return !("processID" in client) || client.processID !== rows[0]?.pid;
}
