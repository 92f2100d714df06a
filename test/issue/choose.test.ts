import { describe, expect, test } from "vitest";
import type { CertificateRequest } from "../../src/certificate.ts";
import type { Dns } from "../../src/dns/dns.ts";
import { choose, preflight } from "../../src/issue/proof/choose.ts";
import { Problem } from "../../src/problem.ts";
import {
  heard,
  problemOf,
  requestFor,
  setOf,
  settingOf,
  solverOf,
  toolsOf,
  unexpected,
} from "./world.ts";

/** Chooses for the names where `_acme-challenge` leads elsewhere. */
async function choosing(
  names: readonly string[],
  more: Partial<CertificateRequest> = {},
  solvers = [solverOf("cf"), solverOf("r53")],
) {
  const asked: string[] = [];
  const dns = unexpected<Dns>("dns", {
    follow: async (name) => {
      asked.push(name);
      return { name: name.endsWith("alias.example.com") ? "acme.example.net" : name, warnings: [] };
    },
  });
  const tools = await toolsOf({ solvers: setOf(...solvers), dns: () => dns });
  const request = requestFor(names, { solvers: solvers.map(({ setting }) => setting), ...more });
  const run = async () => preflight(await choose(request, tools), tools);
  return { asked, tools, run };
}

describe("what solvers are to answer for", () => {
  test("the CNAMEs of a name are followed and reported once for all solvers and wildcards", async () => {
    const { asked, run, tools } = await choosing(["alias.example.com", "*.alias.example.com"]);
    const choices = await run();
    expect(choices.map(({ target }) => target)).toEqual(
      [false, false, true, true].map((wildcard) => ({
        challengeType: "dns-01",
        identifier: { type: "dns", value: "alias.example.com" },
        wildcard,
        validationName: "_acme-challenge.alias.example.com",
        recordName: "acme.example.net",
      })),
    );
    expect(asked).toEqual(["_acme-challenge.alias.example.com"]);
    expect(heard(tools, "info")).toEqual([
      "_acme-challenge.alias.example.com is delegated to acme.example.net",
    ]);
  });

  test("with --dns-cname none the record is written at the name itself; the solver's own setting goes first", async () => {
    const { asked, run } = await choosing(["alias.example.com"], { dns: { cname: "none" } });
    const [choice] = await run();
    expect(choice?.target.recordName).toBe("_acme-challenge.alias.example.com");
    expect(asked).toEqual([]);
    const own = solverOf("cf");
    const setting = { ...own.setting, dns: { cname: "follow" } as const };
    const followed = await choosing(["alias.example.com"], { dns: { cname: "none" } }, [
      { ...own, setting },
    ]);
    expect((await followed.run())[0]?.target.recordName).toBe("acme.example.net");
  });

  test("the preflight of http-01 asks no DNS", async () => {
    const { run } = await choosing(["example.com"], {}, [solverOf("web", { types: ["http-01"] })]);
    const [choice] = await run();
    expect(choice?.target).toEqual({
      identifier: { type: "dns", value: "example.com" },
      challengeType: "http-01",
      wildcard: false,
    });
  });

  test("names without a solver are all listed, with the reason, before any solver is created", async () => {
    const web = solverOf("web", { types: ["http-01"] });
    const lab = { ...solverOf("lab"), setting: settingOf("lab", { zones: ["lab.example"] }) };
    const tools = await toolsOf({
      solvers: { ...setOf(web, lab), open: () => Promise.reject(new Error("not yet")) },
    });
    const request = requestFor(["*.example.com", "example.com", "*.example.org"], {
      solvers: [web.setting, lab.setting],
    });
    const problem = await problemOf(choose(request, tools));
    expect(problem.exitCode).toBe(2);
    expect(problem.message).toBe(
      "No solver can answer for *.example.com (web: it answers http-01, and a wildcard needs dns-01; lab: *.example.com is in none of its zones (lab.example)), and none for *.example.org (web: it answers http-01, and a wildcard needs dns-01; lab: *.example.org is in none of its zones (lab.example)).",
    );
    expect(problem.hint).toContain("dns-01 solver");
  });

  test("each solver checks only its own names before an order, and the next one only those that failed", async () => {
    const asked: Record<string, readonly string[]> = {};
    const checking = (name: string, zone: string, fails = false) => {
      const open = solverOf(name, {
        preflight: async (targets) => {
          asked[name] = targets.map(({ identifier }) => identifier.value);
          if (fails) throw new Problem("solver", { detail: `${name} is broken` });
        },
      });
      return { ...open, setting: settingOf(name, { zones: [zone] }) };
    };
    const { run, tools } = await choosing(["a.example.com", "b.example.org"], {}, [
      checking("sub", "a.example.com", true),
      checking("com", "example.com"),
      checking("org", "example.org"),
    ]);
    const choices = await run();
    expect(asked).toEqual({
      sub: ["a.example.com"],
      com: ["a.example.com"],
      org: ["b.example.org"],
    });
    expect(choices.map(({ solver }) => solver.setting.name)).toEqual(["com", "org"]);
    expect(heard(tools, "warn")).toEqual([
      "solver sub failed for a.example.com: sub is broken; trying com",
    ]);
  });

  test.each([
    ["config", "wrong credentials"],
    ["usage", "an option that is missing"],
    ["plugin", "a broken plugin"],
  ] as const)(
    "fails for a first solver with a Problem of kind %s, though another one could answer",
    async (kind, detail) => {
      const broken = () => Promise.reject(new Problem(kind, { detail }));
      const [cf, r53] = [solverOf("cf", { preflight: broken }), solverOf("r53")];
      const { run, tools } = await choosing(["example.com"], { dns: { cname: "none" } }, [cf, r53]);
      expect((await problemOf(run())).message).toBe(detail);
      expect(heard(tools, "warn")).toEqual([]);
      const created = await toolsOf({
        solvers: {
          ...setOf(cf, r53),
          open: ({ name }) => (name === "cf" ? broken() : setOf(r53).open(r53.setting)),
        },
      });
      const request = requestFor(["example.com"], { solvers: [cf.setting, r53.setting] });
      expect((await problemOf(choose(request, created))).message).toBe(detail);
    },
  );

  test("a later solver with wrong options is left out with a warning", async () => {
    const [cf, r53] = [solverOf("cf"), solverOf("r53")];
    const set = setOf(cf);
    const tools = await toolsOf({
      solvers: {
        ...setOf(cf, r53),
        open: async (setting) => {
          if (setting.name === "cf") return set.open(setting);
          throw new Problem("config", { detail: "no token" });
        },
      },
    });
    const request = requestFor(["example.com"], { solvers: [cf.setting, r53.setting] });
    const choices = await choose(request, tools);
    expect(choices.map(({ solver }) => solver.setting.name)).toEqual(["cf"]);
    expect(heard(tools, "debug")).toEqual(["solver r53 cannot be used for example.com: no token"]);
    expect(heard(tools, "warn")).toEqual(["solver r53 could not take over: no token"]);
  });

  test("the CNAMEs of a name are asked once for each DNS setting", async () => {
    const asked: (number | undefined)[] = [];
    const known = new Map<number | undefined, Dns>();
    const tools = await toolsOf({
      solvers: setOf(solverOf("one"), solverOf("two")),
      dns: ({ authoritativePort }) => {
        const dns =
          known.get(authoritativePort) ??
          unexpected<Dns>("dns", {
            follow: async (name) => {
              asked.push(authoritativePort);
              return { name, warnings: [] };
            },
          });
        known.set(authoritativePort, dns);
        return dns;
      },
    });
    const solvers = [53, 5353].map((authoritativePort, index) => ({
      ...settingOf(index === 0 ? "one" : "two"),
      dns: { authoritativePort },
    }));
    const request = requestFor(["example.com", "*.example.com"], { solvers });
    await preflight(await choose(request, tools), tools);
    expect(asked).toEqual([53, 5353]);
  });

  test("an interruption is no failure of a solver", async () => {
    const stop = new AbortController();
    const solver = solverOf("cf", {
      preflight: async () => {
        stop.abort(new Problem("interrupted", { detail: "Ctrl-C" }));
        throw new Error("aborted");
      },
    });
    const tools = await toolsOf({ solvers: setOf(solver), signal: stop.signal });
    const request = requestFor(["example.com"], {
      solvers: [solver.setting],
      dns: { cname: "none" },
    });
    const run = preflight(await choose(request, tools), tools);
    expect((await problemOf(run)).message).toBe("Ctrl-C");
  });
});
