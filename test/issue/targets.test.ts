import { describe, expect, test } from "vitest";
import type { CertificateRequest } from "../../src/certificate.ts";
import type { Dns } from "../../src/dns/dns.ts";
import { assignSolvers, serveNames } from "../../src/issue/targets.ts";
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
async function assign(
  names: readonly string[],
  more: Partial<CertificateRequest> = {},
  solvers = [solverOf("cf"), solverOf("r53")],
) {
  const asked: string[] = [];
  const dns = unexpected<Dns>("dns", {
    follow: async (name) => {
      asked.push(name);
      return { name: name.endsWith("alias.example.com") ? "acme.example.net" : name, hops: [] };
    },
  });
  const tools = await toolsOf({ solvers: setOf(...solvers), dns: () => dns });
  const request = requestFor(names, { solvers: solvers.map(({ setting }) => setting), ...more });
  const run = async () => assignSolvers(await serveNames(request, tools), request, tools);
  return { asked, tools, run };
}

describe("what solvers are to answer for", () => {
  test("is found by following CNAMEs, asked once and told once for all solvers and wildcards", async () => {
    const { asked, run, tools } = await assign(["alias.example.com", "*.alias.example.com"]);
    const assignments = await run();
    expect(assignments.flatMap(({ candidates }) => candidates.map(({ target }) => target))).toEqual(
      [false, false, true, true].map((wildcard) => ({
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

  test("is the name itself where CNAMEs are not to be followed, by the solver's own word first", async () => {
    const { asked, run } = await assign(["alias.example.com"], { dns: { cname: "none" } });
    const [assignment] = await run();
    expect(assignment?.candidates[0]?.target.recordName).toBe("_acme-challenge.alias.example.com");
    expect(asked).toEqual([]);
    const own = solverOf("cf");
    const setting = { ...own.setting, dns: { cname: "follow" } as const };
    const followed = await assign(["alias.example.com"], { dns: { cname: "none" } }, [
      { ...own, setting },
    ]);
    expect((await followed.run())[0]?.candidates[0]?.target.recordName).toBe("acme.example.net");
  });

  test("needs no DNS for http-01", async () => {
    const { run } = await assign(["example.com"], {}, [solverOf("web", { types: ["http-01"] })]);
    const [assignment] = await run();
    expect(assignment?.candidates[0]?.target).toEqual({
      identifier: { type: "dns", value: "example.com" },
      wildcard: false,
    });
  });

  test("is told for every name that no solver can serve, with why, before any is created", async () => {
    const web = solverOf("web", { types: ["http-01"] });
    const lab = { ...solverOf("lab"), setting: settingOf("lab", { zones: ["lab.example"] }) };
    const tools = await toolsOf({
      solvers: { ...setOf(web, lab), open: () => Promise.reject(new Error("not yet")) },
    });
    const request = requestFor(["*.example.com", "example.com", "*.example.org"], {
      solvers: [web.setting, lab.setting],
    });
    const problem = await problemOf(serveNames(request, tools));
    expect(problem.exitCode).toBe(2);
    expect(problem.message).toBe(
      "No solver can answer for *.example.com (web: it answers http-01, and a wildcard needs dns-01; lab: *.example.com is in none of its zones (lab.example)), and none for *.example.org (web: it answers http-01, and a wildcard needs dns-01; lab: *.example.org is in none of its zones (lab.example)).",
    );
    expect(problem.hint).toContain("dns-01 solver");
  });

  test("is checked by each solver for its own names alone, and by another one only where that failed", async () => {
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
    const { run, tools } = await assign(["a.example.com", "b.example.org"], {}, [
      checking("sub", "a.example.com", true),
      checking("com", "example.com"),
      checking("org", "example.org"),
    ]);
    const assignments = await run();
    expect(asked).toEqual({
      sub: ["a.example.com"],
      com: ["a.example.com"],
      org: ["b.example.org"],
    });
    expect(
      assignments.map(({ candidates }) => candidates.map(({ open }) => open.setting.name)),
    ).toEqual([["com"], ["org"]]);
    expect(heard(tools, "warn")).toEqual([
      "solver sub cannot be used for a.example.com: sub is broken; trying com",
    ]);
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
    const run = assignSolvers(await serveNames(request, tools), request, tools);
    expect((await problemOf(run)).message).toBe("Ctrl-C");
  });
});
