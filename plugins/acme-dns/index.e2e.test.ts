/** Against the acme-dns server itself. */
import { Resolver } from "node:dns/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { Problem, type OptionsOf, type Target } from "acmectl/plugin";
import { challengeFor, memoryState, solverConformance, solverContext } from "acmectl/testing";
import { afterAll, describe, expect, it } from "vitest";
import { startAcmeDns } from "../../test/support/servers/acme-dns.ts";
import { available } from "../../test/support/servers/catalog.ts";
import acmeDns from "./index.ts";

const call = { signal: new AbortController().signal };

function target(name: string, recordName = `_acme-challenge.${name}`): Target {
  const identifier = { type: "dns", value: name } as const;
  return { identifier, wildcard: false, validationName: `_acme-challenge.${name}`, recordName };
}

describe.skipIf(!available("acme-dns"))("the real acme-dns server", async () => {
  if (!available("acme-dns")) return;
  const server = await startAcmeDns();
  afterAll(() => server.close());
  const resolver = new Resolver();
  resolver.setServers([server.dnsServer]);
  const values = async (name: string) =>
    (await resolver.resolveTxt(name).catch(() => []))
      .map((chunks) => chunks.join(""))
      .filter(Boolean);
  const defaults: OptionsOf<typeof acmeDns.options> = {
    server: server.url,
    storage: undefined,
    allowlist: undefined,
    username: undefined,
    password: undefined,
    subdomain: undefined,
    fulldomain: undefined,
    timeout: 30_000,
  };
  const state = memoryState();
  const registering = await acmeDns.create(defaults, solverContext({ state }));
  const error = await registering
    .preflight?.([target("one.example.test")], call)
    .catch((error: unknown) => error);
  const [, fulldomain = ""] =
    /CNAME (\S+)\./.exec(Problem.is(error) ? (error.hint ?? "") : "") ?? [];
  const accounts = (await state.get("accounts")) as Record<string, Record<string, string>>;
  const { username, password, subdomain } = accounts["one.example.test"] ?? {};
  const options = { ...defaults, username, password, subdomain, fulldomain };

  it("registers, and shows the CNAME with the domain of the server", async () => {
    expect(fulldomain).toMatch(/^[0-9a-f-]{36}\.auth\.example\.test$/);
    expect(accounts["one.example.test"]?.["server_url"]).toBe(server.url);
    await registering.preflight?.([target("one.example.test", fulldomain)], call);
    const allowing = { ...defaults, allowlist: ["office"] };
    const refused = await acmeDns.create(allowing, solverContext());
    await expect(refused.preflight?.([target("x.test")], call)).rejects.toThrow(
      "invalid_allowfrom_cidr",
    );
    const closed = { ...defaults, allowlist: ["192.0.2.0/24"] };
    const outside = memoryState();
    const shut = await acmeDns.create(closed, solverContext({ state: outside }));
    await expect(shut.preflight?.([target("x.test")], call)).rejects.toThrow("has no CNAME");
    const kept = (await outside.get("accounts")) as Record<string, Record<string, string>>;
    const recordName = kept["x.test"]?.["fulldomain"] ?? "";
    const challenge = challengeFor("dns-01", "x.test", { recordName });
    await expect(shut.present(challenge, call)).rejects.toThrow("401 forbidden");
  });

  it("serves name and wildcard in four orders in a row", async () => {
    const made = await acmeDns.create(options, solverContext());
    for (let order = 0; order < 4; order++) {
      const challenges = [false, true].map((wildcard) =>
        challengeFor("dns-01", "one.example.test", { recordName: fulldomain, wildcard }),
      );
      await made.presentAll?.(challenges, call);
      const expected = challenges.map(({ recordValue }) => recordValue).toSorted();
      expect((await values(fulldomain)).toSorted()).toEqual(expected);
      for (const challenge of challenges) await made.cleanup(challenge, undefined, call);
    }
  });

  // acme-dns deletes nothing: a value that was cleaned up may still be served.
  let updatedAt = 0;
  const givenUp = new Set<string>();
  const watched = {
    ...acmeDns,
    async create(...given: Parameters<typeof acmeDns.create>) {
      const made = await acmeDns.create(...given);
      const cleanup: typeof made.cleanup = async (challenge, receipt, call) => {
        await made.cleanup(challenge, receipt, call);
        givenUp.add(challenge.recordValue);
        updatedAt = Date.now();
      };
      return { ...made, cleanup };
    },
  };
  const cases = solverConformance({
    plugin: watched,
    options,
    values: 2,
    // Instances do not know each other, and the server counts in seconds.
    instances: 1,
    adapt: (challenge) => ({ ...challenge, recordName: fulldomain }),
    visible: async ({ recordName }) =>
      (await values(recordName)).filter((value) => !givenUp.has(value)),
    broken: [
      {
        when: "the password is wrong",
        options: { ...options, password: "x".repeat(40) },
        says: /401 forbidden/,
      },
    ],
  });
  for (const { name, run } of cases) {
    it(name, async () => {
      await sleep(Math.max(0, updatedAt + 1300 - Date.now()));
      await run();
    });
  }
});
