import { describe, expect, it } from "vitest";
import {
  defineSolver,
  type Dns01Challenge,
  type Http01Challenge,
  Problem,
  type Solver,
  type SolverPlugin,
} from "../src/plugin.ts";
import {
  challengeFor,
  type ConformanceCase,
  memoryState,
  recordingLog,
  responseOf,
  solverConformance,
  solverContext,
} from "../src/testing.ts";

/** A DNS provider in memory: TXT sets with one TTL each, as Route 53 keeps them. */
function memoryZone() {
  const sets = new Map<string, { ttl: number; values: string[] }>();
  return {
    sets,
    setOf: (name: string) => sets.get(name),
    values: (name: string) => sets.get(name)?.values ?? [],
    add(name: string, value: string) {
      const set = sets.get(name) ?? { ttl: 60, values: [] };
      if (!set.values.includes(value)) sets.set(name, { ...set, values: [...set.values, value] });
    },
    remove(name: string, value: string) {
      const set = sets.get(name);
      if (set === undefined) return;
      const values = set.values.filter((kept) => kept !== value);
      if (values.length === 0) sets.delete(name);
      else sets.set(name, { ...set, values });
    },
  };
}
type MemoryZone = ReturnType<typeof memoryZone>;

const options = {
  apiToken: { type: "string", secret: true, required: true, description: "The API token." },
} as const;

type Behaviour = (zone: MemoryZone) => Partial<Solver<"dns-01">>;

/** A solver of that zone: a good one, but for what `bad` does differently. */
function solverOf(
  zone: MemoryZone,
  bad: Behaviour = () => ({}),
): SolverPlugin<"dns-01", typeof options> {
  const good: Solver<"dns-01"> = {
    async preflight() {},
    async present(challenge, { signal }) {
      signal.throwIfAborted();
      await turn();
      zone.add(challenge.recordName, challenge.recordValue);
      return { name: challenge.recordName };
    },
    async cleanup(challenge) {
      zone.remove(challenge.recordName, challenge.recordValue);
    },
    async presentAll(challenges, call) {
      return Promise.all(challenges.map((challenge) => good.present(challenge, call)));
    },
    async cleanupAll(items, call) {
      for (const { challenge, receipt } of items) await good.cleanup(challenge, receipt, call);
    },
    checkPropagation: async (challenge) =>
      zone.values(challenge.recordName).includes(challenge.recordValue),
  };
  return defineSolver({
    summary: "keeps TXT records in memory",
    challengeTypes: ["dns-01"],
    options,
    create({ apiToken }) {
      if (apiToken !== "good token") throw refusal("the API refused the token");
      return { ...good, ...bad(zone) };
    },
  });
}

function giving(zone: MemoryZone, receipt: unknown): Partial<Solver<"dns-01">> {
  return {
    present: async ({ recordName, recordValue }) => {
      zone.add(recordName, recordValue);
      return receipt;
    },
  };
}

function refusal(detail: string): Problem {
  return new Problem("solver", { detail, hint: "Make a new token." });
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function casesOf(
  zone: MemoryZone,
  plugin: SolverPlugin<"dns-01", typeof options>,
): readonly ConformanceCase[] {
  return solverConformance({
    plugin,
    options: { apiToken: "good token" },
    visible: async (challenge) => zone.values(challenge.recordName),
    foreign: {
      plant: async ({ recordName }) =>
        void zone.sets.set(recordName, { ttl: 3600, values: ["planted by somebody"] }),
      look: async ({ recordName }) => {
        const set = zone.setOf(recordName);
        return set?.values.includes("planted by somebody") === true ? set.ttl : "gone";
      },
      remove: async ({ recordName }) => zone.remove(recordName, "planted by somebody"),
    },
    broken: [{ when: "the token is refused", options: { apiToken: "stale secret" }, says: /API/ }],
  });
}

/** The names of the cases that fail. */
async function failures(bad: Behaviour): Promise<readonly string[]> {
  const zone = memoryZone();
  return failed(casesOf(zone, solverOf(zone, bad)));
}

async function failed(cases: readonly ConformanceCase[]): Promise<readonly string[]> {
  const names: string[] = [];
  for (const { name, run } of cases) {
    await run().catch(() => names.push(name));
  }
  return names;
}

describe("a good solver", () => {
  const zone = memoryZone();
  for (const { name, run } of casesOf(zone, solverOf(zone))) it(name, run);

  it("leaves nothing behind", () => {
    expect(zone.sets.size).toBe(0);
  });
});

describe("the suite finds a solver that", () => {
  it("publishes nothing", async () => {
    const found = await failures(() => ({ present: async () => ({}) }));
    expect(found).toContain("publishes a response and removes it");
  });

  it("publishes in preflight", async () => {
    const found = await failures((zone) => ({
      preflight: async (targets) => {
        for (const { recordName } of targets) zone.add(recordName ?? "", "probe");
      },
    }));
    expect(found).toContain("publishes nothing in preflight");
  });

  it("replaces the whole set when it presents", async () => {
    const found = await failures((zone) => ({
      present: async ({ recordName, recordValue }) => {
        zone.sets.set(recordName, { ttl: 60, values: [recordValue] });
        return {};
      },
    }));
    expect(found).toContain("keeps the second of two responses when the first is removed");
    expect(found).toContain("loses none of 8 responses written at the same time");
    expect(found).toContain("leaves a foreign value unchanged");
  });

  it("wipes the whole set when it cleans up", async () => {
    const found = await failures((zone) => ({
      cleanup: async ({ recordName }) => void zone.sets.delete(recordName),
    }));
    expect(found).toContain("keeps the second of two responses when the first is removed");
    expect(found).toContain("leaves a foreign value unchanged");
    expect(found).toContain("leaves a foreign value unchanged without receipts");
  });

  it("changes the TTL of a foreign value", async () => {
    const found = await failures((zone) => ({
      present: async ({ recordName, recordValue }, { signal }) => {
        signal.throwIfAborted();
        zone.add(recordName, recordValue);
        zone.sets.set(recordName, { ttl: 60, values: [...zone.values(recordName)] });
        return {};
      },
    }));
    expect(found).toEqual([
      "leaves a foreign value unchanged",
      "leaves a foreign value unchanged without receipts",
    ]);
  });

  it("loses values between reading and writing", async () => {
    const found = await failures((zone) => ({
      present: async ({ recordName, recordValue }, { signal }) => {
        signal.throwIfAborted();
        const read = zone.values(recordName).filter((value) => value !== recordValue);
        await turn();
        zone.sets.set(recordName, { ttl: 3600, values: [...read, recordValue] });
        return {};
      },
    }));
    expect(found).toEqual(["loses none of 8 responses written at the same time"]);
  });

  it("writes its value twice, or fails the second time", async () => {
    const again = "presents a response twice with the same result";
    const twice = await failures((zone) => ({
      present: async ({ recordName, recordValue }) => {
        const set = zone.setOf(recordName) ?? { ttl: 60, values: [] };
        zone.sets.set(recordName, { ...set, values: [...set.values, recordValue] });
        return {};
      },
    }));
    expect(twice).toContain(again);
    const fails = await failures((zone) => ({
      present: async ({ recordName, recordValue }) => {
        if (zone.values(recordName).includes(recordValue)) throw refusal("81058: it exists");
        zone.add(recordName, recordValue);
        return {};
      },
    }));
    expect(fails).toContain(again);
  });

  it("fails to clean up a value that is already gone", async () => {
    const found = await failures((zone) => ({
      cleanup: async ({ recordName, recordValue }) => {
        if (!zone.values(recordName).includes(recordValue)) throw refusal("404: not found");
        zone.remove(recordName, recordValue);
      },
    }));
    expect(found).toContain("cleans up twice without an error");
    expect(found).toContain("cleans up a response that was never presented");
  });

  it("cleans up only with a receipt, or only what this instance made", async () => {
    const blind = "cleans up after a crash, in a new instance without a receipt";
    const withReceipt = await failures((zone) => ({
      cleanup: async ({ recordName, recordValue }, receipt) => {
        if (receipt !== undefined) zone.remove(recordName, recordValue);
      },
    }));
    expect(withReceipt).toContain(blind);
    const ownOnly = await failures((zone) => {
      const mine = new Set<string>();
      return {
        present: async ({ recordName, recordValue }: Dns01Challenge, { signal }) => {
          signal.throwIfAborted();
          mine.add(recordValue);
          zone.add(recordName, recordValue);
          return {};
        },
        cleanup: async ({ recordName, recordValue }: Dns01Challenge) => {
          if (mine.has(recordValue)) zone.remove(recordName, recordValue);
        },
      };
    });
    expect(ownOnly).toContain(blind);
    expect(ownOnly).toContain("returns receipts that survive JSON");
  });

  it("returns a receipt that is not JSON, or contains the secret", async () => {
    const name = "returns receipts that survive JSON";
    expect(await failures((zone) => giving(zone, { at: new Date() }))).toContain(name);
    expect(await failures((zone) => giving(zone, { token: "good token" }))).toContain(name);
  });

  it("gives the receipts of a batch out of order, or too few", async () => {
    const name = "presents several responses at once like each alone";
    const found = await failures((zone) => ({
      presentAll: async (challenges) => {
        for (const { recordName, recordValue } of challenges) zone.add(recordName, recordValue);
        return challenges.map(({ recordValue }) => ({ recordValue })).toReversed();
      },
      cleanup: async ({ recordName }, receipt) => {
        if (typeof receipt === "object" && receipt !== null && "recordValue" in receipt) {
          zone.remove(recordName, String(receipt.recordValue));
        }
      },
    }));
    expect(found).toContain(name);
    expect(await failures(() => ({ presentAll: async () => [] }))).toContain(name);
  });

  it("forgets one of a batch when it cleans up", async () => {
    const found = await failures((zone) => ({
      cleanupAll: async (items) => {
        for (const { challenge } of items.slice(1)) {
          zone.remove(challenge.recordName, challenge.recordValue);
        }
      },
    }));
    expect(found).toContain("removes several responses at once like each alone");
  });

  it("ignores an aborted signal, or publishes first", async () => {
    const name = "rejects at once and publishes nothing when it is aborted";
    const goesOn = await failures((zone) => ({
      present: async ({ recordName, recordValue }) => zone.add(recordName, recordValue),
    }));
    expect(goesOn).toContain(name);
    const publishes = await failures((zone) => ({
      present: async ({ recordName, recordValue }, { signal }) => {
        zone.add(recordName, recordValue);
        signal.throwIfAborted();
      },
    }));
    expect(publishes).toEqual([name]);
  });

  it("logs a secret, or puts it in a Problem's cause", async () => {
    const zone = memoryZone();
    const loud = solverOf(zone);
    const cases = casesOf(zone, {
      ...loud,
      create({ apiToken }, context) {
        context.log.debug("asking the API", { headers: { authorization: `Bearer ${apiToken}` } });
        if (apiToken !== "good token") {
          const cause = new Error("401", { cause: { token: apiToken } });
          throw new Problem("solver", { detail: "the API said no", hint: "Look.", cause });
        }
        return loud.create({ apiToken }, context);
      },
    });
    const found = await failed(cases);
    expect(found).toContain("publishes a response and removes it");
    expect(found).toContain("fails with a Problem when the token is refused");
  });

  it("fails with an error that is not a Problem, or does not fail", async () => {
    const name = "fails with a Problem when the token is refused";
    const zone = memoryZone();
    const good = solverOf(zone);
    const never = casesOf(zone, {
      ...good,
      create: (_options, context) => good.create({ apiToken: "good token" }, context),
    });
    expect(await failed(never)).toEqual([name]);
    const plain = casesOf(zone, {
      ...good,
      create: (given, context) => {
        if (given.apiToken !== "good token") throw new Error("the API said 401");
        return good.create(given, context);
      },
    });
    expect(await failed(plain)).toEqual([name]);
  });

  it("declares a secret with a default, or an option without a description", async () => {
    const zone = memoryZone();
    const declared = async (bad: object) => {
      const plugin = { ...solverOf(zone), options: { ...options, ...bad } };
      return failed(casesOf(zone, plugin));
    };
    const secret = { type: "string", secret: true, description: "A password.", default: "x" };
    expect(await declared({ password: secret })).toContain(
      "gives no secret option a default or a flag",
    );
    expect(await declared({ ttl: { type: "integer", description: "TTL" } })).toEqual([
      "describes every option in a sentence",
    ]);
    const shared = { type: "string", description: "The account's name.", env: ["ACCOUNT"] };
    expect(await declared({ account: shared, user: shared })).toEqual([
      "gives every option environment variables of its own",
    ]);
  });

  it("never reports that its value is live", { timeout: 15_000 }, async () => {
    const found = await failures(() => ({ checkPropagation: async () => false }));
    expect(found).toEqual(["reports in the end that the response is live"]);
  });
});

describe("challengeFor", () => {
  it("makes challenges as RFC 8555 computes them", () => {
    const http: Http01Challenge = challengeFor("http-01", "192.0.2.1");
    expect(http.identifier).toEqual({ type: "ip", value: "192.0.2.1" });
    expect(http.path).toBe(`/.well-known/acme-challenge/${http.token}`);
    expect(http.token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(responseOf(http)).toMatch(new RegExp(`^${http.token}\\.[A-Za-z0-9_-]{43}$`));
    const dns = challengeFor("dns-01", "example.com", { wildcard: true, recordName: "a.example" });
    expect(dns).toMatchObject({
      wildcard: true,
      validationName: "_acme-challenge.example.com",
      recordName: "a.example",
    });
    expect(responseOf(dns)).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(responseOf(challengeFor("tls-alpn-01", "example.com"))).toMatch(/^[0-9a-f]{64}$/);
  });
});

describe("solverContext", () => {
  it("keeps JSON in its state, and logs to the log it is given", async () => {
    const log = recordingLog();
    const context = solverContext({ log });
    context.log.warn("slow", { seconds: 3 });
    expect(log.entries).toEqual([{ level: "warn", message: "slow", fields: { seconds: 3 } }]);
    await context.state.set("at", { when: new Date(0), nothing: undefined });
    expect(await context.state.get("at")).toEqual({ when: "1970-01-01T00:00:00.000Z" });
    expect(await memoryState().get("at")).toBeUndefined();
    expect(await context.findZone("_acme-challenge.www.example.com")).toMatchObject({
      name: "example.com",
    });
  });
});
