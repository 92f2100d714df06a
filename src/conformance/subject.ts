/** The solver under test, with the steps of which the cases are made. */
import assert from "node:assert/strict";
import type { ConformanceCase, ConformanceSetup } from "./setup.ts";
import type {
  Call,
  Challenge,
  ChallengeType,
  OptionDeclarations,
  Solver,
  Target,
} from "../plugin.ts";
import { challengeFor, memoryState, recordingLog, responseOf, solverContext } from "./given.ts";

export interface Subject {
  readonly values: number;
  readonly instances: number;
  readonly concurrency: number;
  /** `count` challenges for one place; for tls-alpn-01, where a name shows one certificate, one name each. */
  challenges(count: number): readonly Challenge[];
  /** A case after which every solver made is closed; when it fails, what it presented is cleaned up as well as can be. */
  story(name: string, tell: (scene: Scene) => Promise<void>): ConformanceCase;
}

export interface Scene {
  /** A new instance, with the options that work unless others are given. The instances of a scene share their state. */
  solver(options?: ConformanceSetup["options"]): Promise<Solver>;
  present(solver: Solver, challenge: Challenge): Promise<unknown>;
  visible(challenge: Challenge): Promise<readonly string[]>;
  expectVisible(...challenges: readonly Challenge[]): Promise<void>;
  expectGone(...challenges: readonly Challenge[]): Promise<void>;
  /** Fails when `text` contains a secret of these options. */
  expectNoSecret(text: string, where: string, options?: ConformanceSetup["options"]): void;
}

/** A call that is not aborted. */
export const freely: Call = { signal: new AbortController().signal };

/** Everything that the cases need of one setup. */
export function subjectOf(setup: ConformanceSetup): Subject {
  const type = setup.type ?? setup.plugin.challengeTypes[0];
  assert(type !== undefined, "the plugin declares no challenge type");
  const names = setup.names ?? ["one.example.test", "two.example.test"];
  const adapt = setup.adapt ?? ((challenge) => challenge);
  return {
    values: setup.values ?? 8,
    instances: setup.instances ?? 8,
    concurrency: setup.plugin.concurrency ?? 1,
    challenges: (count) => challengesOf(type, names, count).map((made) => adapt(made)),
    story: (name, tell) => ({ name, run: () => play(setup, tell) }),
  };
}

/** What preflight is given before there is a challenge. */
export function targetOf(challenge: Challenge): Target {
  const { identifier, wildcard, type: challengeType } = challenge;
  if (challenge.type !== "dns-01") return { identifier, wildcard, challengeType };
  const { validationName, recordName } = challenge;
  return { identifier, wildcard, challengeType, validationName, recordName };
}

function challengesOf(
  type: ChallengeType,
  names: readonly string[],
  count: number,
): readonly Challenge[] {
  const [first, second] = names;
  assert(first !== undefined && second !== undefined, "the suite needs two names or more");
  return Array.from({ length: count }, (_, index) => {
    const name = type === "tls-alpn-01" ? (names[index] ?? `n${index}.${first}`) : first;
    return challengeFor(type, name, { wildcard: type === "dns-01" && index % 2 === 1 });
  });
}

async function play(setup: ConformanceSetup, tell: (scene: Scene) => Promise<void>): Promise<void> {
  const log = recordingLog();
  const context = solverContext({ ...setup, name: "conformance", log, state: memoryState() });
  const solvers: Solver[] = [];
  const presented: (() => Promise<void>)[] = [];
  const scene: Scene = {
    ...looks(setup),
    async solver(options = setup.options) {
      const solver = await setup.plugin.create(options, context);
      solvers.push(solver);
      return solver;
    },
    async present(solver, challenge) {
      presented.push(() => solver.cleanup(challenge, undefined, freely));
      return solver.present(challenge, freely);
    },
  };
  try {
    await tell(scene);
    scene.expectNoSecret(textOf(log.entries), "the solver's log");
  } catch (error) {
    await Promise.allSettled(presented.map((undo) => undo()));
    throw error;
  } finally {
    for (const solver of solvers) await solver.close?.();
  }
}

function looks(
  setup: ConformanceSetup,
): Pick<Scene, "visible" | "expectVisible" | "expectGone" | "expectNoSecret"> {
  const visible = (challenge: Challenge) => setup.visible(challenge);
  return {
    visible,
    async expectVisible(...challenges) {
      for (const challenge of challenges) {
        const seen = await visible(challenge);
        const times = seen.filter((value) => value === responseOf(challenge)).length;
        const shown = `${describe(challenge)}: expected ${responseOf(challenge)}, saw ${JSON.stringify(seen)}`;
        assert.equal(times, 1, times === 0 ? `not visible: ${shown}` : `visible twice: ${shown}`);
      }
    },
    async expectGone(...challenges) {
      for (const challenge of challenges) {
        const seen = await visible(challenge);
        assert(!seen.includes(responseOf(challenge)), `still visible: ${describe(challenge)}`);
      }
    },
    expectNoSecret(text, where, options = setup.options) {
      for (const [name, value] of secretsOf(setup.plugin.options, options))
        assert(!text.includes(value), `the value of the secret option ${name} is in ${where}`);
    },
  };
}

function secretsOf(
  declared: OptionDeclarations,
  options: object,
): readonly (readonly [string, string])[] {
  return Object.entries(options).flatMap(([name, value]: [string, unknown]) =>
    declared[name]?.secret === true && typeof value === "string" && value !== ""
      ? [[name, value] as const]
      : [],
  );
}

/** Text as a log or an error reader might print it, errors with everything that hangs on them. */
export function textOf(value: unknown): string {
  const seen = new Set<unknown>();
  return JSON.stringify(value, (_key, inner: unknown) => {
    if (typeof inner === "bigint") return String(inner);
    if (typeof inner !== "object" || inner === null) return inner;
    if (seen.has(inner)) return "[seen]";
    seen.add(inner);
    if (!(inner instanceof Error)) return inner;
    const { message, stack, cause } = inner;
    return { ...Object.fromEntries(Object.entries(inner)), message, stack, cause };
  });
}

function describe(challenge: Challenge): string {
  const place = challenge.type === "dns-01" ? ` at ${challenge.recordName}` : "";
  return `${challenge.type} for ${challenge.identifier.value}${place}`;
}
