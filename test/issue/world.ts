/** Steps of the pipeline outside a command: requests and solvers as literals, a store in a folder of the test's own. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { AccountSession, Ca } from "../../src/acme/acme.ts";
import { openCa } from "../../src/acme/ca.ts";
import type { CertificateRequest, SolverSelector, SolverSetting } from "../../src/certificate.ts";
import type { Dns, Look, ServerAnswer } from "../../src/dns/dns.ts";
import { placeOf, type PendingChallenge } from "../../src/issue/proof/challenges.ts";
import { issue, type IssueOptions } from "../../src/issue/issue.ts";
import type { OpenSolver, SolverSet } from "../../src/solvers/open.ts";
import { openRecord } from "../../src/issue/record.ts";
import { noHooks, type IssueTools } from "../../src/issue/tools.ts";
import { createLimit } from "../../src/limit.ts";
import { parseIdentifiers } from "../../src/acme/identifiers.ts";
import type { Challenge, ChallengeType, Solver, SolverPlugin } from "../../src/plugin.ts";
import { Problem } from "../../src/problem.ts";
import { openFolderStore } from "../../src/state/folder/folder.ts";
import type { PendingOrder, Store } from "../../src/state/store.ts";
import { startTestCa, type TestCa, type TestCaOptions } from "../../src/test-ca/test-ca.ts";
import { challengeFor, recordingLog, silentLog } from "../../src/testing.ts";
import { testClock } from "../support/clock.ts";
import { temporaryFolder } from "../support/state.ts";

export function settingOf(name: string, select?: SolverSelector): SolverSetting {
  return { name, use: name, options: {}, ...(select === undefined ? {} : { select }) };
}

export function requestFor(
  names: readonly string[],
  more: Partial<CertificateRequest> = {},
): CertificateRequest {
  return {
    name: names[0] ?? "",
    identifiers: parseIdentifiers(names),
    keyType: "ec256",
    reuseKey: false,
    issuer: { server: "https://ca.example/directory", agreeTos: true },
    solvers: [],
    labels: {},
    outputs: {},
    hooks: {},
    ...more,
  };
}

export interface SolverParts extends Partial<Solver> {
  readonly types?: readonly ChallengeType[];
  readonly concurrency?: number;
}

/** A solver that does nothing but what the test says. */
export function solverOf(name: string, parts: SolverParts = {}): OpenSolver {
  const { types = ["dns-01"], concurrency = 1, ...methods } = parts;
  const solver: Solver = {
    present: () => Promise.resolve(null),
    cleanup: () => Promise.resolve(),
    ...methods,
  };
  const plugin: SolverPlugin = {
    summary: name,
    challengeTypes: types,
    concurrency,
    options: {},
    create: () => solver,
  };
  return { setting: settingOf(name), plugin, solver, limit: createLimit(concurrency) };
}

export function setOf(...solvers: readonly OpenSolver[]): SolverSet {
  const opened = new Map<string, OpenSolver>();
  const one = async (setting: SolverSetting) => {
    const { name } = setting;
    const found = solvers.find((solver) => solver.setting.name === name);
    if (found === undefined) throw new Problem("plugin", { detail: `no solver ${name}` });
    const solver = opened.get(name) ?? { ...found, setting };
    opened.set(name, solver);
    return solver;
  };
  return {
    plugin: async (setting) => (await one(setting)).plugin,
    open: one,
    reopen: one,
    close: () => Promise.resolve(),
  };
}

/** Stands where a test expects no call. */
export function unexpected<T extends object>(what: string, given: Partial<T> = {}): T {
  return new Proxy(given as T, {
    get(target, member) {
      if (Reflect.has(target, member)) return Reflect.get(target, member) as unknown;
      // Awaited, it is asked whether it is a promise.
      if (member === "then") return undefined;
      throw new Error(`${what}.${String(member)} was not expected`);
    },
  });
}

export const session = (given: Partial<AccountSession> = {}): AccountSession =>
  unexpected("session", { assertRoom: () => Promise.resolve(), ...given });

export async function temporaryStore(): Promise<Store> {
  const folder = await temporaryFolder();
  onTestFinished(() => folder[Symbol.asyncDispose]());
  return openFolderStore(join(folder.path, "state"), { log: silentLog, clock: testClock() });
}

type Tools = IssueTools & {
  readonly log: ReturnType<typeof recordingLog>;
  readonly clock: ReturnType<typeof testClock>;
};

export async function toolsOf(given: Partial<IssueTools> = {}): Promise<Tools> {
  const seen = { log: recordingLog(), clock: testClock() };
  return {
    ca: unexpected<Ca>("ca"),
    store: given.store ?? (await temporaryStore()),
    solvers: setOf(),
    dns: () => unexpected<Dns>("dns"),
    signal: new AbortController().signal,
    lockTimeout: 600_000,
    around: noHooks,
    redact: (text) => text,
    other: () => Promise.reject(new Error("no other issuer was expected")),
    close: () => Promise.resolve(),
    ...given,
    ...seen,
    record: openRecord(seen.clock.now(), { ...seen, redact: (text) => text }),
  };
}

/** What a log heard at a level, one line each. */
export function heard(tools: Tools, level: "debug" | "info" | "warn"): readonly string[] {
  return tools.log.entries.filter((entry) => entry.level === level).map(({ message }) => message);
}

export function pendingBy(solver: OpenSolver, challenge: Challenge): PendingChallenge {
  const { type, token, identifier } = challenge;
  return {
    identifier,
    solver,
    challenge,
    place: placeOf(challenge),
    offered: {
      url: `https://ca.example/challenge/${identifier.value}`,
      type,
      status: "pending",
      token,
    },
    authorization: `https://ca.example/authorization/${identifier.value}`,
  };
}

/** A name to be proven by one of these, the first one first. */
export function pendingFor(
  name: string,
  ...by: readonly OpenSolver[]
): readonly PendingChallenge[] {
  return by.map((solver) =>
    pendingBy(solver, challengeFor(solver.plugin.challengeTypes[0] ?? "dns-01", name)),
  );
}

export const order: PendingOrder = {
  name: "example.com",
  orderUrl: "https://ca.example/order/1",
  directory: "https://ca.example/directory",
  accountId: "account",
  requestHash: "hash",
  startedAt: "2026-01-01T00:00:00.000Z",
  presented: [],
};

/** A look at one server. */
export function lookOf(answer: Partial<ServerAnswer> = {}): Look {
  const one: ServerAnswer = {
    server: "ns1.example.com (192.0.2.53:53)",
    role: "authoritative",
    state: "shows",
    values: [],
    outcome: "NOERROR",
    ...answer,
  };
  const verdicts = { shows: "everywhere", missing: "missing" } as const;
  return {
    verdict: one.state === "shows" || one.state === "missing" ? verdicts[one.state] : "unanswered",
    answers: [one],
  };
}

export interface World {
  readonly server: TestCa;
  readonly store: Store;
  readonly tools: Tools;
  /** What the solver was called for, in order. */
  readonly calls: string[];
  readonly requestFor: typeof requestFor;
  readonly issue: (request: CertificateRequest, options?: IssueOptions) => ReturnType<typeof issue>;
  /** Tools of another run on the same state. */
  readonly again: (given?: Partial<IssueTools>) => Tools;
  /** How often the CA was asked for each. */
  readonly count: (kind: string) => number;
}

/** The embedded CA, and a solver named `web` that serves where it looks. */
export async function world(options: TestCaOptions = {}): Promise<World> {
  const served = new Map<string, string>();
  const web = createServer((request, response) => {
    const body = served.get(request.url ?? "");
    response.writeHead(body === undefined ? 404 : 200).end(body);
  });
  await new Promise<void>((resolve) => web.listen(0, "127.0.0.1", resolve));
  const { port } = web.address() as AddressInfo;
  const server = await startTestCa({ httpPort: port, ...options });
  const calls: string[] = [];
  const solver = solverOf("web", {
    types: ["http-01"],
    present: async (challenge) => {
      calls.push(`present ${challenge.identifier.value}`);
      if (challenge.type === "http-01") served.set(challenge.path, challenge.body);
      return { token: challenge.token };
    },
    cleanup: async (challenge) => {
      calls.push(`cleanup ${challenge.identifier.value}`);
      if (challenge.type === "http-01") served.delete(challenge.path);
    },
  });
  const base = await toolsOf({
    solvers: setOf(solver),
    selfCheckAt: { "http-01": `127.0.0.1:${port}` },
  });
  const clients: Ca[] = [];
  const again = (given: Partial<IssueTools> = {}): Tools => {
    const log = recordingLog();
    const ca = openCa({
      url: server.directoryUrl,
      flags: `--server ${server.directoryUrl}`,
      redact: (text) => text,
      caBundle: server.rootPem,
      userAgent: "acmectl/9.9.9 (+https://example.com) node/v24",
      env: {},
      log,
      clock: base.clock,
    });
    clients.push(ca);
    const seen = { log, clock: base.clock };
    const record = openRecord(base.clock.now(), { ...seen, redact: (text) => text });
    return { ...base, ca, ...given, ...seen, record };
  };
  onTestFinished(async () => {
    await Promise.all(clients.map((ca) => ca.close()));
    await server.close();
    web.closeAllConnections();
    await new Promise((resolve) => web.close(resolve));
  });
  const issuer = { server: server.directoryUrl, agreeTos: true };
  const first = again();
  return {
    server,
    store: base.store,
    tools: first,
    calls,
    again,
    requestFor: (names, more) =>
      requestFor(names, { issuer, solvers: [settingOf("web")], ...more }),
    issue: (request, options = {}) => issue(request, options, again()),
    count: (kind) => server.requests.filter((request) => request.kind === kind).length,
  };
}

/** The Problem that a promise rejects with. */
export async function problemOf(promise: Promise<unknown>): Promise<Problem> {
  const error: unknown = await promise.then(
    () => new Error("it did not fail"),
    (reason: unknown) => reason,
  );
  if (Problem.is(error)) return error;
  throw error;
}
