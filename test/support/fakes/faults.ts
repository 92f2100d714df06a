/** A script of bad days for a fake: each fault befalls the next requests that it fits. */
import type { ServerResponse } from "node:http";

export interface Fault {
  /** The operation it befalls; every one when absent. */
  readonly action?: string;
  /** How many requests; 1 when absent. */
  readonly times?: number;
  readonly kind:
    | { readonly status: number; readonly body: string; readonly headers?: Record<string, string> }
    /** The connection ends: before the work, or after it was done. */
    | "drop before"
    | "drop after"
    /** No answer until the fake closes. */
    | "hang"
    /** HTTP 200 and the page of a captive portal. */
    | "garbage";
}

export interface Faults {
  add(fault: Fault): void;
  /** The fault for this request, used up by one. */
  take(action: string): Fault | undefined;
  clear(): void;
}

export function faultScript(): Faults {
  let waiting: { fault: Fault; left: number }[] = [];
  return {
    add(fault) {
      waiting.push({ fault, left: fault.times ?? 1 });
    },
    take(action) {
      const found = waiting.find(({ fault }) => (fault.action ?? action) === action);
      if (found === undefined) return undefined;
      found.left -= 1;
      waiting = waiting.filter(({ left }) => left > 0);
      return found.fault;
    },
    clear() {
      waiting = [];
    },
  };
}

/** Plays a fault out; `work` is what the request would have done. */
export function befall(fault: Fault, response: ServerResponse, work: () => unknown): void {
  const { kind } = fault;
  if (kind === "hang") return;
  if (kind === "drop after") work();
  if (kind === "drop before" || kind === "drop after") {
    response.destroy();
  } else if (kind === "garbage") {
    response.writeHead(200, { "content-type": "text/html" });
    response.end("<!doctype html><html><title>Please sign in</title><p>Wi-Fi & coffee</html>");
  } else {
    response.writeHead(kind.status, kind.headers);
    response.end(kind.body);
  }
}
