import { describe, expect, test } from "vitest";
import type { SolverSetting } from "../../src/certificate.ts";
import { selectSolvers } from "../../src/solvers/select.ts";
import type { ChallengeType } from "../../src/plugin.ts";
import { requestFor, settingOf, solverOf } from "../issue/world.ts";

const both: readonly ChallengeType[] = ["dns-01", "http-01"];

function select(
  name: string,
  solvers: readonly SolverSetting[],
  { types = both, labels = {} }: { types?: readonly ChallengeType[]; labels?: object } = {},
) {
  const [identifier] = requestFor([name]).identifiers;
  if (identifier === undefined) throw new Error("no name");
  const { plugin } = solverOf("any", { types });
  const selected = selectSolvers(
    identifier,
    { ...labels },
    solvers.map((setting) => ({ setting, plugin })),
  );
  const chosen = selected.filter(({ challengeTypes }) => challengeTypes.length > 0);
  return {
    chosen: chosen.map(({ setting }) => setting.name),
    types: chosen.map(({ challengeTypes }) => challengeTypes[0]),
    reasons: chosen.map(({ reason }) => reason),
    rejected: Object.fromEntries(
      selected.filter((one) => !chosen.includes(one)).map((one) => [one.setting.name, one.reason]),
    ),
  };
}

describe("which solver answers for a name", () => {
  test("an exact name is chosen before the longest zone before labels before no selector", () => {
    const solvers = [
      settingOf("rest"),
      settingOf("team", { labels: { team: "shop" } }),
      settingOf("short", { zones: ["example.com"] }),
      settingOf("long", { zones: ["org", "shop.example.com"] }),
      settingOf("exact", { names: ["www.shop.example.com"] }),
    ];
    const { chosen, reasons } = select("www.shop.example.com", solvers, {
      labels: { team: "shop" },
    });
    expect(chosen).toEqual(["exact", "long", "short", "team", "rest"]);
    expect(reasons).toEqual([
      "its names include www.shop.example.com",
      "zone shop.example.com",
      "zone example.com",
      "label team=shop",
      "it answers for every name",
    ]);
  });

  test("the first solver in the file is chosen where two fit equally well", () => {
    const solvers = ["cf", "route53", "web"].map((name) => settingOf(name));
    expect(select("example.com", solvers).chosen).toEqual(["cf", "route53", "web"]);
    expect(select("example.com", solvers.toReversed()).chosen).toEqual(["web", "route53", "cf"]);
  });

  test("more matching labels are a better fit than fewer", () => {
    const solvers = [
      settingOf("one", { labels: { team: "shop" } }),
      settingOf("two", { labels: { team: "shop", stage: "live" } }),
    ];
    const labels = { team: "shop", stage: "live" };
    expect(select("example.com", solvers, { labels }).chosen).toEqual(["two", "one"]);
  });

  test("a solver fits only if all parts of its selector do", () => {
    const all = {
      names: ["www.example.com"],
      zones: ["example.com"],
      labels: { team: "shop" },
    };
    const labels = { team: "shop" };
    expect(select("www.example.com", [settingOf("all", all)], { labels }).chosen).toEqual(["all"]);
    expect(select("www.example.com", [settingOf("all", all)]).rejected).toEqual({
      all: "the certificate has no label team=shop",
    });
    const elsewhere = { ...all, zones: ["example.org"] };
    expect(select("www.example.com", [settingOf("all", elsewhere)], { labels }).rejected).toEqual({
      all: "www.example.com is in none of its zones (example.org)",
    });
    expect(select("api.example.com", [settingOf("all", all)], { labels }).rejected).toEqual({
      all: "its names do not include api.example.com",
    });
  });

  test.each([
    ["example.com", true],
    ["www.example.com", true],
    ["*.example.com", true],
    ["notexample.com", false],
    ["example.com.evil.org", false],
  ])("has zones that end at label boundaries: %s in example.com is %s", (name, fits) => {
    const { chosen } = select(name, [settingOf("zone", { zones: ["Example.COM."] })]);
    expect(chosen).toEqual(fits ? ["zone"] : []);
  });

  test("an exact wildcard in a selector matches only the wildcard", () => {
    const solvers = [settingOf("wild", { names: ["*.example.com"] })];
    expect(select("*.example.com", solvers).chosen).toEqual(["wild"]);
    expect(select("www.example.com", solvers).chosen).toEqual([]);
    expect(select("example.com", solvers).chosen).toEqual([]);
  });

  test("no http-01 solver is chosen for a wildcard, and no dns-01 solver for an address", () => {
    const solvers = [settingOf("it")];
    expect(
      select("*.example.com", solvers, { types: ["http-01", "tls-alpn-01"] }).rejected,
    ).toEqual({ it: "it answers http-01, tls-alpn-01, and a wildcard needs dns-01" });
    expect(select("192.0.2.1", solvers, { types: ["dns-01"] }).rejected).toEqual({
      it: "it answers dns-01, and an IP address needs http-01 or tls-alpn-01",
    });
  });

  test("the setting's challenge type is the only one, in place of the plugin's default types", () => {
    const identifier = { type: "dns", value: "www.example.com" } as const;
    const plugin = {
      ...solverOf("any", { types: both }).plugin,
      defaultTypes: ["dns-01"] as const,
    };
    const by = (challenge?: ChallengeType) => {
      const setting = { ...settingOf("it"), challenge };
      const [selected] = selectSolvers(identifier, {}, [{ setting, plugin }]);
      return selected;
    };
    expect(by()?.challengeTypes).toEqual(["dns-01"]);
    expect(by("http-01")?.challengeTypes).toEqual(["http-01"]);
    expect(by("tls-alpn-01")).toMatchObject({
      challengeTypes: [],
      reason: "it answers dns-01, http-01, and tls-alpn-01 was asked for",
    });
  });

  test("the plugin's first usable challenge type is chosen", () => {
    const solvers = [settingOf("it")];
    const types: readonly ChallengeType[] = ["http-01", "dns-01"];
    expect(select("www.example.com", solvers, { types }).types).toEqual(["http-01"]);
    expect(select("*.example.com", solvers, { types }).types).toEqual(["dns-01"]);
    expect(select("2001:db8::1", solvers, { types: types.toReversed() }).types).toEqual([
      "http-01",
    ]);
  });
});
