import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test, vi } from "vitest";
import type { AccountSession, Authorization } from "../../src/acme/acme.ts";
import type { Dns } from "../../src/dns/dns.ts";
import { openJournal } from "../../src/issue/journal.ts";
import { cleanUp, present, prove } from "../../src/issue/proof/solve.ts";
import type { OpenSolver } from "../../src/solvers/open.ts";
import type { IssueTools } from "../../src/issue/tools.ts";
import type { Target } from "../../src/plugin.ts";
import { Problem } from "../../src/problem.ts";
import {
  heard,
  lookOf,
  order,
  pendingFor,
  problemOf,
  requestFor,
  session,
  solverOf,
  toolsOf,
  unexpected,
  type SolverParts,
} from "./world.ts";

/** A solver that writes down what it was called for. */
function recording(name: string, story: string[], parts: SolverParts = {}): OpenSolver {
  return solverOf(name, {
    present: async ({ identifier: { value } }) => {
      story.push(`${name} presents ${value}`);
      return `${name}'s receipt for ${value}`;
    },
    cleanup: async ({ identifier: { value } }, receipt) => {
      story.push(
        `${name} cleans ${value} with ${typeof receipt === "string" ? receipt : "nothing"}`,
      );
    },
    ...parts,
  });
}

const authorization: Authorization = {
  url: "https://ca.example/authorization/example.com",
  status: "pending",
  identifier: { type: "dns", value: "example.com" },
  wildcard: false,
  challenges: [],
};

const failing = (message: string) => () => Promise.reject(new Error(message));

async function scene(story: string[], given: Partial<IssueTools> = {}) {
  const dns = unexpected<Dns>("dns", {
    lookForTxt: async (name) => {
      story.push(`look ${name}`);
      return lookOf();
    },
  });
  const tools = await toolsOf({ dns: () => dns, ...given });
  const journal = await openJournal(order.name, tools);
  const ca: Partial<AccountSession> = {
    respond: async ({ url }) => void story.push(`respond ${url.split("/").at(-1)}`),
    waitForAuthorization: async (url) => {
      story.push(`poll ${url.split("/").at(-1)}`);
      return { ...authorization, status: "valid" };
    },
  };
  const solve = async (
    pending: readonly ReturnType<typeof pendingFor>[],
    said: Partial<AccountSession> = {},
    request = requestFor(["example.com"]),
  ) => {
    await prove(pending.flat(), request, session({ ...ca, ...said }), journal, tools);
    await cleanUp(journal, tools);
  };
  const left = async () => (await tools.store.journal.read(order.name))?.presented ?? [];
  return { tools, journal, solve, left };
}

const refusal = (name: string) =>
  new Problem("validation", {
    detail: `the CA refused ${name}`,
    identifier: { type: "dns", value: name },
  });

describe("solving challenges", () => {
  test("all challenges are presented, then seen, then answered, and cleaned up though the CA refuses", async () => {
    const story: string[] = [];
    const { solve, left } = await scene(story);
    const dns = recording("cf", story);
    const problem = await problemOf(
      solve([pendingFor("a.example.com", dns), pendingFor("b.example.com", dns)], {
        waitForAuthorization: () => Promise.reject(refusal("b.example.com")),
      }),
    );
    expect(problem.message).toContain("the CA refused b.example.com");
    expect(story).toEqual([
      "cf presents a.example.com",
      "cf presents b.example.com",
      "look _acme-challenge.a.example.com",
      "look _acme-challenge.b.example.com",
      "respond a.example.com",
      "respond b.example.com",
      "cf cleans a.example.com with cf's receipt for a.example.com",
      "cf cleans b.example.com with cf's receipt for b.example.com",
    ]);
    expect(await left()).toEqual([]);
  });

  test("a refusal by the CA has the hint of the self-check", async () => {
    const story: string[] = [];
    const dns = unexpected<Dns>("dns", { addresses: async () => [] });
    const { solve } = await scene(story, { dns: () => dns });
    const web = recording("web", story, { types: ["http-01"] });
    const firewall = refusal("example.com").with({ hint: "Open port 80 in the firewall." });
    const problem = await problemOf(
      solve([pendingFor("example.com", web)], {
        waitForAuthorization: () => Promise.reject(firewall),
      }),
    );
    expect(problem.hint).toMatch(/^Add an A or AAAA record for example\.com/);
  });

  test("no solver is called if every name was proven before", async () => {
    const story: string[] = [];
    const { solve } = await scene(story);
    await solve([]);
    expect(story).toEqual([]);
  });

  test("each challenge is in the journal before it is presented, and its receipt after", async () => {
    const seen: unknown[] = [];
    const { tools, solve, left } = await scene([]);
    const solver = solverOf("cf", {
      present: async () => {
        seen.push((await left()).map(({ receipt = "none yet" }) => receipt));
        return { record: 7 };
      },
      checkPropagation: async () => {
        seen.push((await left()).map(({ receipt }) => receipt));
        return true;
      },
    });
    await solve([pendingFor("example.com", solver)]);
    expect(seen).toEqual([["none yet"], [{ record: 7 }]]);
    expect((await tools.store.journal.read("example.com"))?.presented).toEqual([]);
  });

  test("a solver with presentAll is called once, and each challenge gets its receipt", async () => {
    const story: string[] = [];
    const { solve } = await scene(story);
    const names = ["a.example.com", "b.example.com", "c.example.com"];
    const batch = recording("r53", story, {
      presentAll: async (challenges) => {
        story.push(`all ${challenges.map(({ identifier }) => identifier.value).join()}`);
        return challenges.map(({ identifier }) => `change of ${identifier.value}`);
      },
      cleanupAll: async (items) => {
        story.push(`undo ${items.map(({ receipt }) => String(receipt)).join()}`);
      },
    });
    await solve(names.map((name) => pendingFor(name, batch)));
    expect(story.filter((line) => /^(all|undo|r53)/.test(line))).toEqual([
      `all ${names.join()}`,
      `undo ${names.map((name) => `change of ${name}`).join()}`,
    ]);
    const alone: string[] = [];
    await (
      await scene(alone)
    ).solve([
      pendingFor("a.example.com", recording("r53", alone, { presentAll: failing("one is none") })),
    ]);
    expect(alone[0]).toBe("r53 presents a.example.com");
  });

  test.each([1, 2])(
    "runs no more calls of a solver at once than the %i it declares",
    async (concurrency) => {
      let running = 0;
      let most = 0;
      const call = async () => {
        running += 1;
        most = Math.max(most, running);
        await sleep(2);
        running -= 1;
      };
      const { solve } = await scene([]);
      const solver = solverOf("slow", { concurrency, present: call, cleanup: call });
      await solve(["a", "b", "c", "d"].map((label) => pendingFor(`${label}.example.com`, solver)));
      expect(most).toBe(concurrency);
    },
  );

  test("the next solver is tried when the first one cannot present, and both are cleaned up", async () => {
    const story: string[] = [];
    const { tools, solve, left } = await scene(story);
    const first = recording("cf", story, { present: failing("403 Forbidden") });
    const second = recording("r53", story);
    await solve([pendingFor("example.com", first, second)]);
    expect(story).toEqual([
      "r53 presents example.com",
      "look _acme-challenge.example.com",
      "respond example.com",
      "poll example.com",
      "cf cleans example.com with nothing",
      "r53 cleans example.com with r53's receipt for example.com",
    ]);
    expect(heard(tools, "warn")).toEqual([
      "solver cf failed for example.com: Solver cf could not present dns-01 for example.com: 403 Forbidden; trying r53",
    ]);
    expect(await left()).toEqual([]);
  });

  test("a later solver checks itself before it presents, and is skipped if it fails", async () => {
    const story: string[] = [];
    const { tools, solve, left } = await scene(story);
    const first = recording("cf", story, { present: failing("403 Forbidden") });
    const checking = (name: string, failure?: Error) => ({
      preflight: async (targets: readonly Target[]) => {
        story.push(`${name} checks ${targets.map(({ recordName }) => recordName).join()}`);
        if (failure !== undefined) throw failure;
      },
    });
    const second = recording("r53", story, checking("r53", new Error("no such zone")));
    const third = recording("bind", story, checking("bind"));
    await solve([pendingFor("example.com", first, second, third)]);
    expect(story.slice(0, 3)).toEqual([
      "r53 checks _acme-challenge.example.com",
      "bind checks _acme-challenge.example.com",
      "bind presents example.com",
    ]);
    expect(story.join()).not.toContain("r53 presents");
    expect(heard(tools, "warn")[1]).toContain("r53 did not pass its own check: no such zone");
    expect(await left()).toEqual([]);
  });

  test("asks a first candidate nothing again, since it was checked before the order", async () => {
    const preflight = vi.fn(async () => {});
    const { solve } = await scene([]);
    await solve([pendingFor("example.com", solverOf("cf", { preflight }))]);
    expect(preflight).not.toHaveBeenCalled();
  });

  test("the next solver is tried when the first one's response is not visible", async () => {
    const story: string[] = [];
    const dns = unexpected<Dns>("dns", {
      lookForTxt: async (_, value) =>
        lookOf(value === lost.challenge ? { state: "fails", outcome: "REFUSED" } : {}),
    });
    const { solve } = await scene(story, { dns: () => dns });
    const pending = pendingFor("example.com", recording("cf", story), recording("r53", story));
    const [first] = pending;
    const lost = {
      challenge: first?.challenge.type === "dns-01" ? first.challenge.recordValue : "",
    };
    await solve([pending]);
    expect(story.slice(0, 3)).toEqual([
      "cf presents example.com",
      "r53 presents example.com",
      "respond example.com",
    ]);
  });

  test("a first solver with wrong credentials fails the run, though another one could answer", async () => {
    const story: string[] = [];
    const { tools, solve } = await scene(story);
    const wrong = () => Promise.reject(new Problem("config", { detail: "the token was refused" }));
    const first = recording("cf", story, { present: wrong });
    const problem = await problemOf(
      solve([pendingFor("example.com", first, recording("r53", story))]),
    );
    expect(problem.message).toBe("the token was refused");
    expect(story.join()).not.toContain("r53");
    expect(heard(tools, "warn")).toEqual([]);
  });

  test("no other solver is tried once the CA has refused", async () => {
    const story: string[] = [];
    const { solve } = await scene(story);
    const pending = pendingFor("example.com", recording("cf", story), recording("r53", story));
    await problemOf(
      solve([pending], { waitForAuthorization: () => Promise.reject(refusal("example.com")) }),
    );
    expect(story.join()).not.toContain("r53");
  });

  test("when no solver is left, the first failure is reported and the others are logged", async () => {
    const { tools, solve } = await scene([]);
    const first = solverOf("cf", { present: failing("403 Forbidden") });
    const second = solverOf("r53", { present: failing("no such zone") });
    const problem = await problemOf(solve([pendingFor("example.com", first, second)]));
    expect(problem.exitCode).toBe(7);
    expect(problem.document).toMatchObject({
      detail: "Solver cf could not present dns-01 for example.com: 403 Forbidden",
      identifier: { value: "example.com" },
    });
    expect(heard(tools, "warn").at(-1)).toMatch(/no such zone; no other is left$/);
  });

  test("several names that failed become one Problem with a subproblem each", async () => {
    const { solve } = await scene([]);
    const solver = solverOf("cf");
    const problem = await problemOf(
      solve([pendingFor("a.example.com", solver), pendingFor("b.example.com", solver)], {
        waitForAuthorization: async (url) => {
          throw refusal(url.split("/").at(-1) ?? "");
        },
      }),
    );
    expect(problem.document).toMatchObject({
      title: "2 names failed",
      subproblems: [
        { identifier: { value: "a.example.com" } },
        { identifier: { value: "b.example.com" } },
      ],
    });
    expect(problem.exitCode).toBe(7);
  });

  test("a rate limit among several failures decides how it ends and when to come back", async () => {
    const { solve } = await scene([]);
    const retryAt = new Date("2026-01-02T00:00:00Z");
    const problem = await problemOf(
      solve(
        [pendingFor("a.example.com", solverOf("cf")), pendingFor("b.example.com", solverOf("r53"))],
        {
          waitForAuthorization: async (url) => {
            throw url.endsWith("a.example.com")
              ? refusal("a.example.com")
              : new Problem("urn:ietf:params:acme:error:rateLimited", {
                  detail: "slow down",
                  exitCode: 6,
                  retryAt,
                });
          },
        },
      ),
    );
    expect(problem).toMatchObject({ exitCode: 6, retryAt });
  });

  test("a clean-up that fails warns, stays in the journal, and hides neither success nor failure", async () => {
    const story: string[] = [];
    const { tools, solve, left } = await scene(story);
    const solver = recording("cf", story, { cleanup: failing("502 Bad Gateway") });
    await solve([pendingFor("a.example.com", solver)]);
    expect(heard(tools, "warn")).toEqual([
      "cf could not clean up after a.example.com: 502 Bad Gateway; the next run tries again",
    ]);
    expect(await left()).toMatchObject([
      {
        challenge: { identifier: { value: "a.example.com" } },
        receipt: "cf's receipt for a.example.com",
      },
    ]);
    const problem = await problemOf(
      solve([pendingFor("b.example.com", solver)], {
        respond: () => Promise.reject(refusal("b.example.com")),
      }),
    );
    expect(problem.message).toBe("the CA refused b.example.com");
  });

  test("an interruption in the middle of presenting cleans up what may be out, and presents no more", async () => {
    const story: string[] = [];
    const stop = new AbortController();
    const { solve, left } = await scene(story, { signal: stop.signal });
    const solver = recording("cf", story, {
      present: async ({ identifier }) => {
        story.push(`cf presents ${identifier.value}`);
        stop.abort(new Problem("interrupted", { detail: "Ctrl-C" }));
        return "out there";
      },
      cleanup: async ({ identifier }, receipt, { signal }) => {
        story.push(
          `cf cleans ${identifier.value} with ${String(receipt)}, aborted: ${signal.aborted}`,
        );
      },
    });
    const problem = await problemOf(
      solve([pendingFor("a.example.com", solver), pendingFor("b.example.com", solver)]),
    );
    expect(problem.message).toBe("Ctrl-C");
    expect(story.filter((line) => line.includes("presents"))).toEqual([
      "cf presents a.example.com",
    ]);
    expect(story).toContain("cf cleans a.example.com with out there, aborted: false");
    expect(await left()).toEqual([]);
  });

  test.each([
    ["10 seconds after Ctrl-C", true, 10_000],
    ["30 seconds otherwise", false, 30_000],
  ])("a clean-up that hangs is given up after %s", async (_, stopped, limit) => {
    const stop = new AbortController();
    const { tools, journal } = await scene([], { signal: stop.signal });
    const hanging = solverOf("cf", {
      cleanup: (_, __, { signal }) =>
        new Promise((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    });
    await present(pendingFor("example.com", hanging), journal, tools);
    if (stopped) stop.abort(new Error("Ctrl-C"));
    vi.useFakeTimers();
    try {
      let ended = false;
      const cleaning = cleanUp(journal, tools).then(() => (ended = true));
      await vi.advanceTimersByTimeAsync(limit - 1);
      expect(ended).toBe(false);
      await vi.advanceTimersByTimeAsync(1);
      await cleaning;
    } finally {
      vi.useRealTimers();
    }
    expect(heard(tools, "warn")).toEqual([expect.stringContaining("it did not end in time")]);
  });

  test("an interruption while the CA validates cleans up too", async () => {
    const story: string[] = [];
    const stop = new AbortController();
    const { solve } = await scene(story, { signal: stop.signal });
    const problem = await problemOf(
      solve([pendingFor("example.com", recording("cf", story))], {
        waitForAuthorization: async () => {
          stop.abort(new Problem("interrupted", { detail: "Ctrl-C" }));
          throw stop.signal.reason;
        },
      }),
    );
    expect(problem.is("interrupted")).toBe(true);
    expect(story.at(-1)).toMatch(/^cf cleans example\.com/);
  });
});
