import { describe, expect, test } from "vitest";
import type { DnsSetting } from "../../src/certificate.ts";
import type { Dns, Look, ServerAnswer } from "../../src/dns/dns.ts";
import { waitUntilVisible } from "../../src/issue/proof/solve.ts";
import { challengeFor } from "../../src/testing.ts";
import { Problem } from "../../src/problem.ts";
import {
  pendingBy,
  heard,
  lookOf,
  requestFor,
  solverOf,
  toolsOf,
  unexpected,
  type SolverParts,
} from "./world.ts";

const challenge = challengeFor("dns-01", "example.com", { recordName: "acme.example.net" });
const notYet = lookOf({ state: "missing", outcome: "NXDOMAIN" });

/** Waits for one TXT value; the looks come one after the other, the last one for ever. */
async function wait(
  looks: readonly Look[],
  setting: DnsSetting = {},
  {
    solver = {},
    own = {},
    looks: lookWith,
    jump = 0,
  }: {
    solver?: SolverParts;
    own?: DnsSetting;
    looks?: (fallBack: boolean) => Look;
    /** How far the wall clock is set ahead at each look. */
    jump?: number;
  } = {},
) {
  const asked: { name: string; setting: DnsSetting }[] = [];
  const tools = await toolsOf({
    dns: (setting) =>
      unexpected<Dns>("dns", {
        lookForTxt: async (name, _value, _signal, options) => {
          const given = looks[Math.min(asked.length, looks.length - 1)];
          const look = lookWith?.(options?.fallBack === true) ?? given;
          tools.clock.set(new Date(tools.clock.now().getTime() + jump));
          asked.push({ name, setting });
          if (look === undefined) throw new Error("no look was expected");
          return look;
        },
      }),
  });
  const open = solverOf("cf", solver);
  const dns = { ...setting, ...own };
  const pending = pendingBy({ ...open, setting: { ...open.setting, dns } }, challenge);
  const begun = tools.clock.monotonic();
  const { failures } = await waitUntilVisible(
    [{ challenge: pending, receipt: "receipt" }],
    requestFor(["example.com"]),
    tools,
  );
  const failure = failures.get(pending);
  if (failure !== undefined && !Problem.is(failure)) throw failure;
  return { tools, asked, failure, took: tools.clock.monotonic() - begun };
}

describe("waiting for a TXT value", () => {
  test("a wait for one DNS record reports every 15 s how many servers show it", async () => {
    const partly: Look = {
      verdict: "missing",
      answers: [...lookOf().answers, ...notYet.answers],
    };
    const { tools } = await wait([...Array.from({ length: 20 }, () => partly), lookOf()], {
      interval: 2_000,
    });
    expect(heard(tools, "info").slice(0, -1)).toEqual([
      "waiting for acme.example.net, 16 s of 120 s: 1 of 2 servers show the value",
      "waiting for acme.example.net, 32 s of 120 s: 1 of 2 servers show the value",
    ]);
  });

  test("the record behind a CNAME is checked until every server shows it", async () => {
    const { asked, failure, took, tools } = await wait([notYet, notYet, lookOf()], {
      interval: 3_000,
    });
    expect(failure).toBeUndefined();
    expect(asked.map(({ name }) => name)).toEqual(Array(3).fill("acme.example.net"));
    expect(took).toBe(6_000);
    expect(heard(tools, "debug")).toEqual([
      "acme.example.net at ns1.example.com (192.0.2.53:53): NXDOMAIN",
      "acme.example.net at ns1.example.com (192.0.2.53:53): NXDOMAIN",
      "acme.example.net at ns1.example.com (192.0.2.53:53): visible",
    ]);
  });

  test("a record fails at once when every server refuses and the resolvers do not show it", async () => {
    const lame = lookOf({ state: "fails", outcome: "REFUSED" });
    const { failure, took, asked } = await wait([lame]);
    expect({ took, looks: asked.length }).toEqual({ took: 0, looks: 2 });
    expect(failure?.message).toBe(
      `The TXT value ${challenge.recordValue} that solver cf wrote at acme.example.net is not visible everywhere: ns1.example.com (192.0.2.53:53) says REFUSED.`,
    );
    expect(failure?.hint).toContain("delegated");
  });

  test("a record that stays invisible fails in time, with the answer of every server", async () => {
    const answers = [
      ...lookOf({ server: "ns1 (192.0.2.1:53)" }).answers,
      ...lookOf({ server: "ns2 (192.0.2.2:53)", state: "silent", outcome: "timeout" }).answers,
      ...lookOf({ server: "ns3 (192.0.2.3:53)", state: "missing", values: ["old", "older"] })
        .answers,
      ...lookOf({
        server: "ns4 ([2001:db8::4]:53)",
        state: "unreachable",
        outcome: "no route from this machine",
      }).answers,
    ];
    const { failure, took, asked } = await wait([{ verdict: "missing", answers }], {
      timeout: 60_000,
      interval: 10_000,
    });
    expect(failure?.message).toBe(
      `The TXT value ${challenge.recordValue} that solver cf wrote at acme.example.net is not visible everywhere after 60 s: ns2 (192.0.2.2:53) says timeout; ns3 (192.0.2.3:53) says other values (old, older); ns1 (192.0.2.1:53) shows it.`,
    );
    expect(failure?.hint).toContain("--dns-timeout");
    expect(failure?.document.identifier).toEqual({ type: "dns", value: "example.com" });
    expect({ took, looks: asked.length }).toEqual({ took: 60_000, looks: 7 });
  });

  test("servers that do not respond are named with a hint to fix them", async () => {
    const dead = lookOf({ server: "ns2 (192.0.2.2:53)", state: "silent", outcome: "timeout" });
    const { failure } = await wait([dead], { timeout: 0 });
    expect(failure?.hint).toContain("Fix the name servers that do not respond");
  });

  const some = (state: ServerAnswer["state"], outcome: string): Look => ({
    verdict: "enough",
    answers: [
      ...lookOf({ server: "ns1" }).answers,
      ...lookOf({ server: "ns2", state, outcome }).answers,
    ],
  });

  test.each([
    ["silent", "timeout", 30_000],
    ["fails", "SERVFAIL", 30_000],
    ["fails", "REFUSED", 0],
    ["fails", "not authoritative for the zone example.com", 0],
  ] as const)(
    "asks the CA when one server of several is %s (%s), after %i ms and with a warning",
    async (state, outcome, patience) => {
      const { failure, took, tools } = await wait([some(state, outcome)]);
      expect([failure, took]).toEqual([undefined, patience]);
      expect(heard(tools, "warn")).toEqual([
        `acme.example.net ns2 says ${outcome}; ns1 shows it; asking the CA anyway`,
      ]);
    },
  );

  test("the CA is not asked while one server answers without the value", async () => {
    const { failure } = await wait([notYet], { timeout: 60_000 });
    expect(failure?.exitCode).toBe(7);
  });

  test("asks the resolvers once no authoritative server has answered for 30 s", async () => {
    const silent = lookOf({ state: "silent", outcome: "timeout" });
    const asked: boolean[] = [];
    const looks = (fallBack: boolean): Look => {
      asked.push(fallBack);
      return fallBack ? some("silent", "timeout") : silent;
    };
    const { failure, took } = await wait([], {}, { looks });
    expect([failure, took, asked.at(-1)]).toEqual([undefined, 30_000, true]);
    expect(asked.slice(0, -1)).not.toContain(true);
  });

  test("a negative answer in the resolver's cache is waited for, beyond the usual time", async () => {
    const old = lookOf({ role: "recursive", state: "missing", remembers: 300_000 });
    const { failure, took, asked } = await wait([old, lookOf({ role: "recursive" })]);
    expect([failure, took, asked.length]).toEqual([undefined, 300_000, 2]);
    const limited = await wait([old], { timeout: 60_000 });
    expect(limited.failure?.hint).toMatch(/^Run the command again in 300 s/);
  });

  test("a clock that is set during a wait does not change its length", async () => {
    const { failure, took } = await wait([notYet, lookOf()], {}, { jump: 3_600_000 });
    expect([failure, took]).toEqual([undefined, 2_000]);
  });

  test.each([
    ["ahead", 3_600_000],
    ["back", -3_600_000],
  ])("waits as long as it should when the clock is set %s meanwhile", async (_, jump) => {
    const tools = await toolsOf({
      dns: () =>
        unexpected<Dns>("dns", {
          lookForTxt: async () => {
            tools.clock.set(new Date(tools.clock.now().getTime() + jump));
            return notYet;
          },
        }),
    });
    const open = solverOf("cf");
    const dns = { timeout: 60_000, interval: 10_000 };
    const pending = pendingBy({ ...open, setting: { ...open.setting, dns } }, challenge);
    const before = tools.clock.monotonic();
    const presented = [{ challenge: pending, receipt: null }];
    const { failures } = await waitUntilVisible(presented, requestFor(["example.com"]), tools);
    expect(failures.size).toBe(1);
    expect(tools.clock.monotonic() - before).toBe(60_000);
  });

  test("a record that no server could be asked for is a Problem that says so", async () => {
    const { failure } = await wait([{ verdict: "unanswered", answers: [] }], { timeout: 0 });
    expect(failure?.message).toContain("no server could be asked");
  });

  test("--dns-settle waits after the record was seen", async () => {
    expect((await wait([lookOf()], { settle: 15_000 })).took).toBe(15_000);
  });

  test("--dns-wait waits without checking the DNS", async () => {
    const { asked, took } = await wait([], { wait: 90_000 });
    expect({ asked, took }).toEqual({ asked: [], took: 90_000 });
  });

  test("a solver's own DNS setting goes before the request's", async () => {
    const own = { interval: 1_000, resolvers: ["192.0.2.9"] };
    const { asked, took } = await wait(
      [notYet, lookOf()],
      { interval: 9_000, settle: 500 },
      { own },
    );
    expect(took).toBe(1_500);
    expect(asked[0]?.setting).toEqual({ ...own, settle: 500 });
  });

  test("the DNS is not checked before the provider reports the change as complete", async () => {
    const said = [false, false, true];
    const receipts: unknown[] = [];
    const solver: SolverParts = {
      checkPropagation: async (_, receipt) => {
        receipts.push(receipt);
        return said.shift() ?? true;
      },
    };
    const { asked, took } = await wait([lookOf()], { interval: 5_000 }, { solver });
    expect({ looks: asked.length, took, receipts }).toEqual({
      looks: 1,
      took: 10_000,
      receipts: ["receipt", "receipt", "receipt"],
    });
  });

  test("names the solver whose provider never says so", async () => {
    const solver: SolverParts = { checkPropagation: () => Promise.resolve(false) };
    const { failure, asked } = await wait([], { interval: 30_000 }, { solver });
    expect(asked).toEqual([]);
    expect(failure?.message).toContain(
      "after 120 s: the provider of solver cf does not report the change as complete",
    );
  });

  test("a provider that cannot be asked causes one warning, and the name servers are checked", async () => {
    const solver: SolverParts = { checkPropagation: () => Promise.reject(new Error("500")) };
    const { failure, took, tools } = await wait([notYet, notYet, lookOf()], {}, { solver });
    expect([failure, took]).toEqual([undefined, 4_000]);
    expect(heard(tools, "warn")).toEqual([
      "solver cf could not check whether acme.example.net is live: 500; checking the name servers only",
    ]);
  });

  test("an interrupted run stops the wait for the DNS", async () => {
    const stop = new AbortController();
    const tools = await toolsOf({
      signal: stop.signal,
      dns: () =>
        unexpected<Dns>("dns", {
          lookForTxt: async () => {
            stop.abort(new Error("Ctrl-C"));
            return notYet;
          },
        }),
    });
    const pending = pendingBy(solverOf("cf"), challenge);
    await expect(
      waitUntilVisible([{ challenge: pending, receipt: null }], requestFor(["example.com"]), tools),
    ).rejects.toThrow("Ctrl-C");
  });
});

test("tls-alpn-01, and http-01 without a self-check, are not looked at", async () => {
  const tools = await toolsOf();
  const presented = (["tls-alpn-01", "http-01"] as const).map((type) => ({
    challenge: pendingBy(solverOf("web", { types: [type] }), challengeFor(type, "example.com")),
    receipt: null,
  }));
  const request = requestFor(["example.com"], { selfCheck: false });
  const { failures } = await waitUntilVisible(presented, request, tools);
  expect(failures.size).toBe(0);
  expect(tools.log.entries).toEqual([]);
});
