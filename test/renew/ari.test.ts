import { describe, expect, test } from "vitest";
import type { Ca, Directory, RenewalInfo } from "../../src/acme/acme.ts";
import { isAriDue, nextTurn, refreshAri, turnsToAsk } from "../../src/renew/ari.ts";
import { Problem } from "../../src/problem.ts";
import type { AriStatus } from "../../src/state/certificate-status.ts";
import type { StoredCertificate } from "../../src/state/store.ts";
import { temporaryStore, toolsOf, unexpected, requestFor } from "../issue/world.ts";

const hour = 3_600_000;
const day = 24 * hour;
const issued = new Date("2026-03-01T00:00:00Z");
const at = (milliseconds: number) => new Date(issued.getTime() + milliseconds);
const certificateId = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

function certificate(ari?: AriStatus, id: string | undefined = certificateId): StoredCertificate {
  const request = requestFor(["example.com"]);
  return {
    name: "example.com",
    request,
    status: { failures: 0, ...(ari === undefined ? {} : { ari }) },
    held: {
      version: 1,
      meta: {
        identifiers: request.identifiers,
        serial: "01",
        fingerprint: "ab",
        issuer: "R11",
        notBefore: issued.toISOString(),
        notAfter: at(90 * day).toISOString(),
        keyType: "ec256",
        directory: request.issuer.server,
        account: "account",
        certificateUrl: "https://ca.example/certificate/1",
        orderUrl: "https://ca.example/order/1",
        ...(id === "" ? {} : { ariId: id }),
        issuedAt: issued.toISOString(),
        requestHash: "hash",
      },
    },
  };
}

const known = (nextCheck: Date, more: Partial<AriStatus> = {}): AriStatus => ({
  certificateId,
  nextCheck: nextCheck.toISOString(),
  ...more,
});

const window = (from: number, to: number): RenewalInfo => ({
  start: at(from),
  end: at(to),
  retryAfter: at(6 * hour),
});

/** Asks a CA that answers so. */
async function refresh(
  before: StoredCertificate,
  answer: (certificateId: string) => Promise<RenewalInfo>,
  { random = 0.25, offers = true }: { random?: number; offers?: boolean } = {},
) {
  const directory: Directory = {
    url: "https://ca.example/directory",
    newNonce: "https://ca.example/nonce",
    newAccount: "https://ca.example/account",
    newOrder: "https://ca.example/order",
    ...(offers ? { renewalInfo: "https://ca.example/ari" } : {}),
    meta: { caaIdentities: [], externalAccountRequired: false, profiles: {} },
  };
  let asked = 0;
  const ca = unexpected<Ca>("ca", {
    directory: async () => directory,
    renewalInfo: (id) => {
      asked += 1;
      return answer(id);
    },
  });
  const store = await temporaryStore();
  await store.certificates.saveRequest(before.request);
  const tools = await toolsOf({ ca, store });
  tools.clock.set(issued);
  const after = await refreshAri(before, tools, () => random);
  const kept = await store.certificates.read(before.name);
  return { after, ari: after.status.ari, kept: kept?.status.ari, asked, tools };
}

describe("renewal information (RFC 9773)", () => {
  test("is requested when it is time, for the certificate held, and never after expiry", () => {
    expect(isAriDue(certificate(), issued)).toBe(true);
    expect(isAriDue(certificate(known(at(hour))), issued)).toBe(false);
    expect(isAriDue(certificate(known(at(hour))), at(hour))).toBe(true);
    expect(isAriDue(certificate(known(at(hour), { certificateId: "old" })), issued)).toBe(true);
    expect(isAriDue(certificate(), at(90 * day))).toBe(false);
    expect(isAriDue(certificate(undefined, ""), issued)).toBe(false);
    const { held: _, ...missing } = certificate();
    expect(isAriDue(missing, issued)).toBe(false);
  });

  test("leads to a time chosen in the window, which is stored", async () => {
    const { ari, kept } = await refresh(certificate(), async () => window(40 * day, 44 * day));
    expect(ari).toEqual(
      known(at(6 * hour), {
        window: {
          start: at(40 * day).toISOString(),
          end: at(44 * day).toISOString(),
          selected: at(41 * day).toISOString(),
        },
      }),
    );
    expect(kept).toEqual(ari);
  });

  test("keeps its chosen time until the window changes", async () => {
    const answer = async () => window(40 * day, 44 * day);
    const { after } = await refresh(certificate(), answer);
    const due = {
      ...after,
      status: {
        ...after.status,
        ari: { ...after.status.ari, nextCheck: issued.toISOString() } as AriStatus,
      },
    };
    const same = await refresh(due, answer, { random: 0.75 });
    expect(same.ari?.window?.selected).toBe(at(41 * day).toISOString());
    const other = await refresh(due, async () => window(0, 4 * day), { random: 0.75 });
    expect(other.ari?.window?.selected).toBe(at(3 * day).toISOString());
  });

  test("is requested for the certificate of a second key as well, each when it is time", async () => {
    const one = certificate();
    const second = `${certificateId}second`;
    if (one.held !== undefined) one.held.meta.second = { ...one.held.meta, ariId: second };
    const answer = async (id: string) => window(id === second ? 0 : 40 * day, 44 * day);
    const { after, ari, kept, asked } = await refresh(one, answer);
    expect([asked, ari?.certificateId, ari?.second?.certificateId]).toEqual([
      2,
      certificateId,
      second,
    ]);
    expect(ari?.second?.window?.selected).toBe(at(11 * day).toISOString());
    expect(kept).toEqual(ari);
    expect(isAriDue(after, issued)).toBe(false);

    const nextCheck = issued.toISOString();
    const half = { ...ari, second: { ...ari?.second, nextCheck } } as AriStatus;
    const later = { ...after, status: { ...after.status, ari: half } };
    expect(isAriDue(later, issued)).toBe(true);
    const again = await refresh(later, async () => window(0, 0));
    expect(again.asked).toBe(1);
    expect(again.ari?.window).toEqual(ari?.window);
    expect(again.ari?.second?.window?.selected).toBe(issued.toISOString());
  });

  test("logs the CA's explanation of an early window", async () => {
    const explanationUrl = "https://ca.example/incident";
    const { ari, tools } = await refresh(certificate(), async () => ({
      ...window(0, day),
      explanationUrl,
    }));
    expect(ari?.window?.explanationUrl).toBe(explanationUrl);
    expect(tools.log.entries[0]?.message).toContain(explanationUrl);
  });

  test("is requested again after a day from a CA without ARI", async () => {
    const { ari, asked } = await refresh(
      certificate(),
      () => Promise.reject(new Error("not asked")),
      { offers: false },
    );
    expect({ ari, asked }).toEqual({ ari: known(at(day)), asked: 0 });
  });

  test("that is unavailable delays no renewal: the window stays, and the next request waits", async () => {
    const before = {
      start: at(day).toISOString(),
      end: at(2 * day).toISOString(),
      selected: at(day).toISOString(),
    };
    const stale = certificate(known(issued, { window: before }));
    const failure = () => Promise.reject(new Problem("network", { detail: "no route" }));
    const { ari, tools } = await refresh(stale, failure);
    expect(ari).toEqual(known(at(6 * hour), { window: before }));
    expect(tools.log.entries[0]?.message).toBe("no renewal information: no route");
    const limited = () =>
      Promise.reject(new Problem("backoff", { detail: "slow down", retryAt: at(3 * hour) }));
    expect((await refresh(certificate(), limited)).ari).toEqual(known(at(3 * hour)));
  });

  test("a bug while renewal information is requested is not hidden", async () => {
    await expect(
      refresh(certificate(), () => Promise.reject(new TypeError("oops"))),
    ).rejects.toThrow("oops");
  });

  test("is not requested before Retry-After", async () => {
    const early = certificate(known(at(hour)));
    const { after, asked } = await refresh(early, () => Promise.reject(new Error("not asked")));
    expect({ after, asked }).toEqual({ after: early, asked: 0 });
  });
});

describe("the questions about many certificates", () => {
  const minute = hour / 60;

  /** Runs over two days. Each answer comes a minute after the run's start, and says to ask again after six hours. */
  function twoDays(count: number, every: number, before?: AriStatus) {
    let certificates = Array.from({ length: count }, (_, index) => ({
      ...certificate(before),
      name: `n${index}`,
    }));
    const times = new Map(certificates.map(({ name }) => [name, [] as number[]]));
    const asked: number[] = [];
    const quiet: number[] = [];
    for (let time = 0; time <= 2 * day; time += every) {
      const turns = turnsToAsk(certificates, every, at(time));
      asked.push(turns.size);
      const answered = time + minute;
      for (const name of turns) times.get(name)?.push(answered);
      certificates = certificates.map((one) => {
        if (!turns.has(one.name)) return one;
        const ari = known(at(answered + 6 * hour));
        return { ...one, status: { ...one.status, ari } };
      });
      const next = certificates.map((one) => nextTurn(one, every, at(answered))?.getTime() ?? 0);
      quiet.push((Math.min(...next) - issued.getTime() - answered) / every);
    }
    const gaps = [...times.values()].flatMap((all) =>
      [...all.slice(1), 2 * day].map((time, index) => (time - (all[index] ?? 0)) / hour),
    );
    return { asked, quiet: Math.min(...quiet), longest: Math.max(...gaps) };
  }

  test.each([
    { hours: 1, most: 200, longest: 7 },
    { hours: 2, most: 400, longest: 8 },
    { hours: 3, most: 600, longest: 9 },
    { hours: 6, most: 600, longest: 12 },
    { hours: 12, most: 1_200, longest: 12 },
  ])(
    "with a schedule of $hours h, at most $most of 1,200 are asked in a run, and each after at most $longest h",
    ({ hours, most, longest }) => {
      const ran = twoDays(1_200, hours * hour);
      expect(Math.max(...ran.asked)).toBe(most);
      expect(ran.longest).toBeLessThanOrEqual(longest);
      expect(ran.quiet, "intervals before the next question").toBeGreaterThanOrEqual(0.49);
    },
  );

  test.each([1, 6])(
    "are spread again within a day after a pause in which all became late, every %i h",
    (hours) => {
      const { asked, longest } = twoDays(1_200, hours * hour, known(at(-day)));
      expect(asked[0]).toBe(1_200);
      expect(Math.max(...asked.slice(24 / hours))).toBeLessThanOrEqual(600);
      expect(longest).toBeLessThanOrEqual(18);
    },
  );

  test("are all asked at once about a few", () => {
    expect(twoDays(100, 12 * hour).asked).toEqual([100, 100, 100, 100, 100]);
    expect(turnsToAsk([certificate()], 0, issued).size).toBe(1);
  });

  test("are not asked before Retry-After", () => {
    expect(turnsToAsk([certificate(known(at(hour)))], hour, issued).size).toBe(0);
  });
});
