/** What the solvers of all DNS providers promise beyond the conformance suite, as tests of one solver against its fake. */
import type {
  Call,
  OptionDeclarations,
  OptionsOf,
  Solver,
  SolverContext,
  SolverPlugin,
  Target,
} from "acmectl/plugin";
import { Problem } from "acmectl/plugin";
import { challengeFor, recordingLog, solverConformance, solverContext } from "acmectl/testing";
import type { ConformanceSetup } from "acmectl/testing";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { survived } from "./counted.ts";
import { floods, type Fault, type Faults } from "./fakes/faults.ts";

/** What all fakes of providers have. */
export interface ProviderFake {
  readonly url: string;
  readonly requests: readonly { readonly action: string }[];
  readonly faults: Faults;
  /** All TXT values at a name. */
  values(recordName: string): readonly string[];
  close(): Promise<void>;
}

export interface ProviderSetup<D extends OptionDeclarations, Receipt> {
  readonly plugin: SolverPlugin<"dns-01", D, Receipt>;
  readonly fake: ProviderFake;
  /** With these the solver works. */
  readonly options: OptionsOf<D>;
  /** What no failure may show. */
  readonly secrets: readonly string[];
}

export const call: Call = { signal: new AbortController().signal };
export const challenge = (name: string) => challengeFor("dns-01", name);
/** A TLSA record, as it is published for DANE. */
export const tlsa = (name: string, byte: string) =>
  ({
    ...challenge(name),
    recordName: `_25._tcp.${name}`,
    recordType: "TLSA",
    recordValue: `3 1 1 ${byte.repeat(32)}`,
  }) as const;
export const target = (name: string): Target => ({
  identifier: { type: "dns", value: name },
  wildcard: false,
  validationName: `_acme-challenge.${name}`,
  recordName: `_acme-challenge.${name}`,
});

/** The tools of a provider's tests; faults and the fake are cleared after each test. */
export function providerTools<D extends OptionDeclarations, Receipt>({
  plugin,
  fake,
  options: working,
  secrets,
}: ProviderSetup<D, Receipt>) {
  type Options = OptionsOf<D>;
  afterEach(() => fake.faults.clear());
  afterAll(() => fake.close());
  const options = (more: Partial<Options> = {}): Options => ({ ...working, ...more });
  const failure = async (work: Promise<unknown>): Promise<Problem> => {
    const error: unknown = await work.then(
      () => expect.unreachable("it did not fail"),
      (reason: unknown) => reason,
    );
    if (!Problem.is(error)) throw error;
    const shown = JSON.stringify([error, error.message, error.hint, error.stack, error.cause]);
    for (const secret of secrets) expect(shown).not.toContain(secret);
    return error;
  };
  return {
    options,
    /** A solver with all methods; one that it does not have rejects. */
    open: async (more: Partial<Options> = {}, context: Partial<SolverContext> = {}) =>
      whole(await plugin.create(options(more), solverContext(context))),
    /** The actions that the fake has seen from its request number `from` on. */
    since: (from: number) => fake.requests.slice(from).map(({ action }) => action),
    failure,
    /** What a failure shows: its detail and its hint. */
    problem: async (work: Promise<unknown>): Promise<string> => {
      const { message, hint } = await failure(work);
      return `${message}\n${hint}`;
    },
  };
}

function whole<Receipt>(solver: Solver<"dns-01", Receipt>): Required<Solver<"dns-01", Receipt>> {
  const absent = () => Promise.reject(new Error("the solver does not have this method"));
  return {
    preflight: absent,
    presentAll: absent,
    cleanupAll: absent,
    checkPropagation: absent,
    close: absent,
    ...solver,
  };
}

/** A failure that the solver explains: the fake's answer to a write, and the hint. */
export type FailureRow = readonly [
  what: string,
  status: number,
  code: string,
  message: string,
  hint: RegExp,
];

export interface ProviderCases<D extends OptionDeclarations, Receipt> {
  readonly conformance: Pick<
    ConformanceSetup<"dns-01", D, Receipt>,
    "names" | "foreign" | "broken" | "findZone"
  >;
  readonly addZone: (name: string) => unknown;
  readonly removeZone: (name: string) => void;
  /** The provider denies access to a zone that is gone, so that only its list of zones shows it. */
  readonly hidesGoneZones?: boolean;
  /** A zone in messages; its name when absent. */
  readonly show?: (name: string) => string;
  /** The fake's actions that list zones, write a record and remove one. */
  readonly actions: { readonly list: string; readonly write: string; readonly remove: string };
  /** The provider's answer to a request that it refuses. */
  readonly refusal: (
    status: number,
    code: string,
    message: string,
    headers?: Record<string, string>,
  ) => Fault["kind"];
  /** The code and the hint of a rate limit, and how often a request is sent at most, where the solver repeats requests. */
  readonly limit?: { readonly code: string; readonly hint: RegExp; readonly attempts: number };
  readonly failures: readonly FailureRow[];
  /** With these no request is repeated, for the failures. */
  readonly impatient?: Partial<OptionsOf<D>>;
  /** Whose credentials are used, in failures. */
  readonly identity: string;
  /** What a failure says when something else than the provider answers. */
  readonly portal: RegExp;
  /** The provider's name in messages. */
  readonly vendor: string;
  /** Another fake, to which a redirect leads. */
  readonly startFake: () => Promise<ProviderFake>;
}

/** Runs the cases that all providers share. */
export function providerTest<D extends OptionDeclarations, Receipt>(
  setup: ProviderSetup<D, Receipt>,
  tools: ReturnType<typeof providerTools<D, Receipt>>,
  cases: ProviderCases<D, Receipt>,
): void {
  const { plugin, fake, options } = setup;
  describe("conformance", () => {
    const visible: ConformanceSetup<"dns-01">["visible"] = async ({ recordName }) =>
      fake.values(recordName);
    const all = solverConformance({ plugin, options, visible, ...cases.conformance });
    for (const one of all) it(one.name, one.run);
  });
  describe("finding the zone", () => zoneCases(fake, tools, cases));
  describe("trouble on the way", () => networkCases(fake, tools, cases));
  describe("failures name zone, record and identity, and what to do", () =>
    failureCases(fake, tools, cases));
}

interface Tools {
  readonly open: (
    more?: object,
    context?: Partial<SolverContext>,
  ) => Promise<Required<Solver<"dns-01">>>;
  readonly since: (from: number) => readonly string[];
  readonly failure: (work: Promise<unknown>) => Promise<Problem>;
  readonly problem: (work: Promise<unknown>) => Promise<string>;
}
type Cases = Omit<ProviderCases<OptionDeclarations, unknown>, "conformance">;

function zoneCases(fake: ProviderFake, { open, problem, since }: Tools, cases: Cases): void {
  const { actions, addZone, removeZone } = cases;

  it("takes the longest zone on a label boundary, listing the zones once", async () => {
    for (const zone of ["pick.test", "child.pick.test", "ick.test"]) addZone(zone);
    const solver = await open();
    const from = fake.requests.length;
    for (const name of [
      "pick.test",
      "child.pick.test",
      "a.child.pick.test",
      "grandchild.pick.test",
    ])
      await solver.present(challenge(name), call);
    expect(since(from).filter((action) => action === actions.list)).toHaveLength(1);
    for (const name of ["child.pick.test", "a.child.pick.test"])
      expect(fake.values(`_acme-challenge.${name}`)).toHaveLength(1);
    removeZone("child.pick.test");
    for (const name of ["child.pick.test", "a.child.pick.test"])
      expect(fake.values(`_acme-challenge.${name}`)).toEqual([]);
    for (const name of ["pick.test", "grandchild.pick.test"])
      expect(fake.values(`_acme-challenge.${name}`)).toHaveLength(1);
    removeZone("pick.test");
  });

  it("names the zones that it sees if none holds the name", async () => {
    addZone("seen.test");
    const solver = await open();
    const said = await problem(solver.preflight([target("www.unseen.example")], call));
    expect(said).toContain("holds _acme-challenge.www.unseen.example.");
    expect(said).toContain(cases.show?.("seen.test") ?? "seen.test");
  });

  it("finds what it presented if the receipt is of an older version", async () => {
    addZone("older.test");
    const mine = challenge("older.test");
    const solver = await open();
    await solver.present(mine, call);
    await solver.cleanup(mine, { domain: "older.test", zone: "older", recordId: 7 }, call);
    expect(fake.values(mine.recordName)).toEqual([]);
  });

  it("has nothing to clean up in a zone that is gone, and warns", async () => {
    addZone("gone.test");
    const mine = challenge("gone.test");
    const log = recordingLog();
    const receipt = await (await open({}, { log })).present(mine, call);
    removeZone("gone.test");
    const next = await open({}, { log });
    if (cases.hidesGoneZones !== true) await next.cleanup(mine, receipt, call);
    await next.cleanup(mine, undefined, call);
    const warnings = log.entries.filter(({ level }) => level === "warn");
    expect(warnings.at(-1)?.message).toMatch(/^nothing to clean up: .*holds .*gone\.test/);
  });
}

function networkCases(fake: ProviderFake, tools: Tools, cases: Cases): void {
  const { open, failure, since } = tools;
  const { actions, refusal, limit, addZone } = cases;
  addZone("network.test");

  it("repeats a request whose answer got lost after the work was done", async () => {
    const lost = challenge("lost.network.test");
    const solver = await open();
    fake.faults.add({ action: actions.write, kind: "drop after" });
    const receipt = await solver.present(lost, call);
    expect(fake.values(lost.recordName)).toEqual([lost.recordValue]);
    fake.faults.add({ action: actions.remove, kind: "drop after" });
    await solver.cleanup(lost, receipt, call);
    expect(fake.values(lost.recordName)).toEqual([]);
  });

  if (limit !== undefined)
    it("waits as long as it is told, and leaves a long wait to the next run", async () => {
      const { code, hint, attempts } = limit;
      const slow = (seconds: string) => ({
        action: actions.write,
        kind: refusal(429, code, "Slow down.", { "retry-after": seconds }),
      });
      const busy = challenge("busy.network.test");
      const solver = await open();
      fake.faults.add({ ...slow("0"), times: 2 });
      const broken = refusal(503, "unavailable", "Try again.", { "retry-after": "0" });
      fake.faults.add({ action: actions.write, kind: broken });
      await solver.present(busy, call);
      expect(fake.values(busy.recordName)).toEqual([busy.recordValue]);
      fake.faults.add({ ...slow("0"), times: attempts });
      const exhausted = await failure(solver.present(challenge("more.network.test"), call));
      expect(exhausted.message).toMatch(new RegExp(`after ${attempts} attempts in \\d+ s`));
      fake.faults.add(slow("300"));
      const from = fake.requests.length;
      const blocked = await failure(solver.present(challenge("more.network.test"), call));
      expect(since(from).filter((action) => action === actions.write)).toHaveLength(1);
      expect(blocked.document.title).toContain("is rate limiting");
      expect(blocked.hint).toMatch(hint);
      expect(Number(blocked.retryAt) - Date.now()).toBeGreaterThan(290_000);
    });

  it.for(["flood", "cut", "twice"] as const)(
    "survives an answer that is a %s, in bounded time and memory",
    async (kind) => {
      for (const action of [actions.list, actions.write]) {
        const solver = await open(cases.impatient);
        const from = floods.sent;
        fake.faults.add({ action, times: 9, kind });
        const mine = challenge("odd.network.test");
        const presented = solver.present(mine, call);
        // A write of which the answer says nothing may have succeeded.
        const succeeded = kind === "twice" && (await presented.catch(() => "failed")) !== "failed";
        const error = succeeded ? undefined : await failure(presented);
        if (error !== undefined) expect(error.message).toContain(`${cases.vendor}: cannot `);
        expect(floods.sent - from).toBeLessThan(40 * 2 ** 20);
        fake.faults.clear();
        await solver.cleanup(mine, undefined, call);
        expect(fake.values(mine.recordName)).toEqual([]);
        survived("broken answers of a DNS provider", 1);
      }
    },
  );

  it("does not believe a wait of centuries", async () => {
    const headers = { "retry-after": "9".repeat(30) };
    const kind = refusal(429, limit?.code ?? "Throttling", "Slow down.", headers);
    fake.faults.add({ action: actions.write, times: 9, kind });
    const solver = await open(cases.impatient);
    const { retryAt } = await failure(solver.present(challenge("odd.network.test"), call));
    if (retryAt !== undefined) expect(retryAt.getTime()).toBeLessThan(Date.now() + 40 * 86_400_000);
  });

  it("stops at once when aborted, in a request and while it waits", async () => {
    const solver = await open();
    const wait = refusal(429, limit?.code ?? "", "Slow down.", { "retry-after": "50" });
    for (const kind of limit === undefined ? (["hang"] as const) : (["hang", wait] as const)) {
      fake.faults.add({ action: actions.write, kind });
      const controller = new AbortController();
      const from = fake.requests.length;
      const waiting = solver.present(challenge("abort.network.test"), controller);
      await expect.poll(() => since(from), { interval: 5 }).toContain(actions.write);
      controller.abort(new Error("Ctrl-C"));
      await expect(waiting).rejects.toThrow("Ctrl-C");
    }
  });
}

function failureCases(fake: ProviderFake, { open, failure, problem }: Tools, cases: Cases): void {
  const { actions, refusal, addZone, identity, portal, show, impatient } = cases;
  addZone("fail.test");

  it.for(cases.failures)("%s", async ([, status, code, message, hint]) => {
    fake.faults.add({ action: actions.write, times: 9, kind: refusal(status, code, message) });
    const said = await problem((await open(impatient)).present(challenge("www.fail.test"), call));
    expect(said).toMatch(hint);
    const zone = show?.("fail.test") ?? "fail.test";
    for (const known of [`_acme-challenge.www.fail.test in`, zone, identity, message, code])
      expect(said).toContain(known);
  });

  it.for([actions.list, actions.write])("a captive portal that answers %s", async (action) => {
    fake.faults.add({ action, times: 9, kind: "garbage" });
    const error = await failure((await open(impatient)).present(challenge("www.fail.test"), call));
    expect(error.is("network")).toBe(true);
    expect(error.hint).toMatch(portal);
  });

  it("a redirect, which is not followed", async () => {
    const elsewhere = await cases.startFake();
    for (const action of [actions.list, actions.write])
      for (const status of [302, 307]) {
        const kind = { status, body: "", headers: { location: `${elsewhere.url}/else` } };
        fake.faults.add({ action, times: 9, kind });
        const presented = (await open(impatient)).present(challenge("www.fail.test"), call);
        const error = await failure(presented);
        expect(error.is("network")).toBe(true);
        expect(error.hint).toMatch(portal);
        fake.faults.clear();
      }
    expect(elsewhere.requests).toEqual([]);
    await elsewhere.close();
  });
}
