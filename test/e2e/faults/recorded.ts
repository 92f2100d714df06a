/** Runs acmectl with `preload.ts` before it, which records each change to the state or kills at one. */
import { appendFileSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect } from "vitest";
import type { Issuing } from "../../support/issuing.ts";
import type { Excused } from "../../support/invariants/invariants.ts";
import { acmectl, type Spawned } from "../../support/spawn.ts";
import type { Operation } from "./operations.ts";
import type { Scenario } from "./scenarios.ts";

export interface Recorded {
  readonly operations: readonly Operation[];
  /** What the CA was asked, and how many changes had been made to the state by then. */
  readonly asked: readonly Asked[];
}

export interface Asked {
  readonly at: number;
  readonly kind: string;
  readonly path: string;
}

/** Run it to its end, and answer what it did. */
export async function recorded(scenario: Scenario, issuing: Issuing): Promise<Recorded> {
  const trace = join(dirname(issuing.state), "trace");
  appendFileSync(trace, "");
  const note = issuing.ca.faults.add({
    on: "*",
    times: Infinity,
    do: {
      call: ({ kind, path }) =>
        appendFileSync(trace, `${JSON.stringify({ do: "ask", kind, path })}\n`),
    },
  });
  const ended = await startWith(scenario, issuing, { trace }).ended;
  note.remove();
  expect(ended, ended.stderr).toMatchObject({ code: 0 });
  const operations: Operation[] = [];
  const asked: Asked[] = [];
  for (const line of readFileSync(trace, "utf8").trim().split("\n")) {
    const event: Operation | (Asked & { do: "ask" }) = JSON.parse(line);
    if (event.do === "ask") asked.push({ ...event, at: operations.length });
    else operations.push(event);
  }
  return { operations, asked };
}

/** Start it, to be killed right before the change to the state with this number. */
export function startToDie(scenario: Scenario, issuing: Issuing, kill: number): Spawned {
  return startWith(scenario, issuing, { kill: `${kill}` });
}

/** Start it with other settings of the preload. */
export function startWith(
  scenario: Scenario,
  issuing: Issuing,
  given: Record<string, string>,
  excused: Excused = {},
): Spawned {
  const preload = new URL("preload.ts", import.meta.url);
  preload.search = new URLSearchParams({ root: issuing.state, ...given }).toString();
  return acmectl(scenario.words(issuing), {
    env: { HOME: issuing.home },
    excused,
    node: ["--import", preload.href],
  });
}

/** The kind of a change: what is done to which file, whatever its random name. */
export function kindOf({ do: what, path }: Operation, { state }: Issuing): string {
  const place = path.slice(state.length);
  return `${what} ${place.replaceAll(/[~-][0-9a-f]{12,}/g, "-x").replaceAll(/[\w-]{43}/g, "id")}`;
}
