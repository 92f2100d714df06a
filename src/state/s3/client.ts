/** Signed requests to the bucket. What was lost on the way is asked again, so every request must do no harm when it is done twice. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { fetchByProxy } from "../../proxy.ts";
import type { StateTools } from "../tools.ts";
import type { Answered, Asked } from "./exchange.ts";
import { openCredentials } from "./credentials.ts";
import { refusalOf, unreached, type Refused } from "./faults.ts";
import type { BucketPlace } from "./place.ts";

export interface Client {
  readonly place: BucketPlace;
  /** Rejects with a Problem for what was not expected. */
  readonly send: (asked: Asked) => Promise<Answered>;
  /** The time of the server, in milliseconds since 1970, as its answers tell it; ours before the first one. */
  readonly now: () => number;
}

/** Milliseconds between tries, the first one and the longest: a restart of the server is over within. */
const [firstPause, longestPause] = [100, 6400];
const patience = 30_000;
/** Of a server that answers: another writer was there at the same time. */
const conflicts = ["ConditionalRequestConflict", "OperationAborted"];

export function openClient(place: BucketPlace, tools: StateTools): Client {
  const credentials = openCredentials(place, tools);
  const time = openTime();
  let wasReached = false;

  /** An answer that was expected, or a failure. */
  async function once(asked: Asked, isExpired: boolean): Promise<Answered | Refused> {
    const { url, ...init } = await signed(asked, place, await credentials(isExpired));
    const signal = AbortSignal.timeout(patience);
    try {
      const response = await fetchByProxy(url, { ...init, redirect: "manual", signal });
      const { status, headers } = response;
      const answered = { status, headers, text: await response.text() };
      wasReached = true;
      time.learn(headers.get("date"));
      return refusalOf(asked, answered) ?? answered;
    } catch (error) {
      // What was reached before may come back; what was never reached is reported at once.
      return unreached(error, wasReached);
    }
  }

  async function send(asked: Asked): Promise<Answered> {
    let isExpired = false;
    for (let pause = firstPause; ; pause *= 2) {
      const answer = await once(asked, isExpired);
      if (!("problem" in answer)) return answer;
      const isHopeless = isExpired && answer.isExpired;
      // After a signal a run still gives back what it has, but does not wait for a server to do so.
      const isThere = answer.isExpired || conflicts.includes(answer.code);
      const isOver = tools.signal.aborted && !isThere;
      if (!answer.mayPass || pause > longestPause || isHopeless || isOver)
        throw answer.problem(place, time.now());
      isExpired = answer.isExpired;
      const what = `${asked.method} ${asked.key ?? ""} in ${place.where}`;
      tools.log.debug(`${what}: ${answer.code}; trying again`);
      // Several that were told to slow down must not come back together.
      const wait = pause * (0.5 + Math.random() / 2);
      const signal = isThere ? undefined : tools.signal;
      await sleep(wait, undefined, { signal }).catch(() => signal?.throwIfAborted());
    }
  }
  return { place, send, now: time.now };
}

async function signed(
  { method, key = "", query = {}, headers = {}, body }: Asked,
  { base, prefix, region }: BucketPlace,
  {
    accessKeyId,
    secretAccessKey,
    sessionToken,
  }: Awaited<ReturnType<ReturnType<typeof openCredentials>>>,
) {
  const url = new URL(base + (key === "" ? "" : prefix + key));
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  const hash = createHash("sha256")
    .update(body ?? "")
    .digest("hex");
  const signer = new AwsV4Signer({
    method,
    url: url.href,
    headers: { ...headers, "x-amz-content-sha256": hash },
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    service: "s3",
    region,
  });
  const { headers: all } = await signer.sign();
  return { url: url.href, method, headers: all, body: body ?? null };
}

/** The server tells whole seconds: the latest of what it told is closest to its clock. */
function openTime() {
  let ahead: number | undefined;
  return {
    learn(date: string | null) {
      const at = Date.parse(date ?? "");
      if (Number.isNaN(at)) return;
      const offset = at - performance.now();
      const isSet = ahead === undefined || Math.abs(offset - ahead) > 2000;
      ahead = isSet ? offset : Math.max(offset, ahead ?? offset);
    },
    now: () => (ahead === undefined ? Date.now() : Math.round(performance.now() + ahead)),
  };
}
