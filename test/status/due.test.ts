import { describe, expect, test } from "vitest";
import type { CertificateRequest, VersionMeta } from "../../src/certificate.ts";
import { namesHash, requestHash } from "../../src/request/drift.ts";
import { dueOf, pauseOf } from "../../src/status/due.ts";
import type { CertificateStatus } from "../../src/state/certificate-status.ts";
import type { StoredCertificate } from "../../src/state/store.ts";

const hour = 3_600_000;
const day = 24 * hour;
const issued = new Date("2026-03-01T00:00:00Z");
const at = (milliseconds: number) => new Date(issued.getTime() + milliseconds);
const ariId = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE";

const request: CertificateRequest = {
  name: "example.com",
  identifiers: [{ type: "dns", value: "example.com" }],
  keyType: "ec256",
  reuseKey: false,
  issuer: { server: "https://ca.example/directory", agreeTos: true },
  solvers: [],
  labels: {},
  outputs: {},
  hooks: {},
};

/** A certificate of this lifetime, issued on the first of March. */
function certificate(
  lifetime: number,
  status: Partial<CertificateStatus> = {},
  wanted = request,
): StoredCertificate {
  const meta: VersionMeta = {
    identifiers: request.identifiers,
    serial: "01",
    fingerprint: "ab",
    issuer: "R11",
    notBefore: issued.toISOString(),
    notAfter: at(lifetime).toISOString(),
    keyType: "ec256",
    directory: request.issuer.server,
    account: "account",
    certificateUrl: "https://ca.example/certificate/1",
    orderUrl: "https://ca.example/order/1",
    ariId,
    issuedAt: issued.toISOString(),
    requestHash: requestHash(request),
  };
  return {
    name: request.name,
    request: wanted,
    status: { failures: 0, ...status },
    held: { version: 1, meta },
  };
}

/** The status after the CA told a window, in which this time was chosen. */
function chosen(selected: Date, certificateId = ariId): Partial<CertificateStatus> {
  const window = {
    start: issued.toISOString(),
    end: issued.toISOString(),
    selected: selected.toISOString(),
  };
  return { ari: { certificateId, nextCheck: issued.toISOString(), window } };
}

describe("a certificate for two keys", () => {
  const second = "a.second";
  /** The second one ends a day before the first. */
  const pair = (status: Partial<CertificateStatus>) => {
    const one = certificate(90 * day, status);
    const { meta } = one.held ?? {};
    if (meta !== undefined)
      meta.second = {
        ...meta,
        ariId: second,
        fingerprint: "cd",
        notAfter: at(89 * day).toISOString(),
      };
    return one;
  };

  test.each([
    ["its own time", at(20 * day), at(40 * day), at(20 * day)],
    ["the second one's time", at(40 * day), at(20 * day), at(20 * day)],
  ])("is due at %s if that comes first", (_, first, other, expected) => {
    const { ari } = chosen(first);
    const status = { ari: ari && { ...ari, second: chosen(other, second).ari } };
    expect(dueOf(pair(status), issued)).toMatchObject({ rule: "ari", at: expected });
  });

  test("is due by the lifetime of the one that ends first", () => {
    expect(dueOf(pair({}), issued).at).toEqual(dueOf(certificate(89 * day), issued).at);
  });

  test("is due by the lifetime of the second one if only the first one's CA has given a time later than that", () => {
    expect(dueOf(pair(chosen(at(80 * day))), issued)).toMatchObject({ rule: "lifetime" });
  });
});

describe("when a certificate is due", () => {
  test.each([
    ["90 days", 90 * day, 60 * day],
    ["45 days", 45 * day, 30 * day],
    ["10 days", 10 * day, (20 / 3) * day],
    ["6 days", 6 * day, 3 * day],
    ["an hour", hour, hour / 2],
  ])("a certificate of %s without ARI is due by its lifetime alone", (_, lifetime, after) => {
    const due = dueOf(certificate(lifetime), issued);
    expect(due).toMatchObject({ rule: "lifetime", at: at(after) });
  });

  test("the time chosen in the CA's window goes before the lifetime rule, earlier or later", () => {
    for (const time of [at(2 * day), at(80 * day)]) {
      expect(dueOf(certificate(90 * day, chosen(time)), issued)).toMatchObject({
        rule: "ari",
        at: time,
      });
    }
  });

  test("a certificate whose renewal window is in the past is due at once", () => {
    const now = at(10 * day);
    const due = dueOf(certificate(90 * day, chosen(at(-day))), now);
    expect(due).toMatchObject({ rule: "ari", at: at(-day) });
    expect(due.at <= now).toBe(true);
  });

  test.each([
    ["90 days", 90 * day, 85.5 * day],
    ["6 days", 6 * day, 5.7 * day],
  ])("a CA that would let a certificate of %s expire is overruled", (_, lifetime, after) => {
    for (const time of [at(after + 1), at(lifetime + day)]) {
      expect(dueOf(certificate(lifetime, chosen(time)), issued)).toMatchObject({
        rule: "emergency",
        at: at(after),
      });
    }
    expect(dueOf(certificate(lifetime, chosen(at(after))), issued).rule).toBe("ari");
  });

  test("the renewal window of the predecessor, and an answer without a window, are ignored", () => {
    const old = chosen(at(day), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AA");
    expect(dueOf(certificate(90 * day, old), issued).rule).toBe("lifetime");
    const mute = { ari: { certificateId: ariId, nextCheck: at(day).toISOString() } };
    expect(dueOf(certificate(90 * day, mute), issued).rule).toBe("lifetime");
  });

  test("a missing, expired or changed certificate is due at once", () => {
    const now = at(day);
    const { held: _, ...missing } = certificate(90 * day);
    expect(dueOf(missing, now)).toMatchObject({ rule: "missing", at: now });
    expect(dueOf(certificate(day), now)).toMatchObject({
      rule: "expired",
      at: now,
      reason: "it expired on 2026-03-02 00:00 UTC",
    });
    expect(dueOf(certificate(90 * day, {}, { ...request, keyType: "rsa4096" }), now)).toMatchObject(
      {
        rule: "drift",
        at: now,
        reason: "key type changed from ec256 to rsa4096",
      },
    );
    const changed = { ...certificate(90 * day), changed: "its solver changed" };
    expect(dueOf(changed, now)).toMatchObject({ rule: "drift", reason: "its solver changed" });
  });
});

describe("what falls due before the next run", () => {
  const dueAt = (lifetime: number, every: number, status: Partial<CertificateStatus> = {}) =>
    dueOf(certificate(lifetime, status), issued, every).at;

  test.each([
    ["90 days, twice a day", 90 * day, 12 * hour, 59.5 * day],
    ["6 days, twice a day", 6 * day, 12 * hour, 2.5 * day],
    ["24 hours, every 2 hours", 24 * hour, 2 * hour, 10 * hour],
    ["12 hours, hourly", 12 * hour, hour, 5 * hour],
    ["an hour, every 5 minutes", hour, hour / 12, (25 / 60) * hour],
    // Twice a day is too rare: every run renews, but for the first hour.
    ["24 hours, twice a day", 24 * hour, 12 * hour, hour],
    ["12 hours, twice a day", 12 * hour, 12 * hour, 0.6 * hour],
    // Not in the first two fifths of the lifetime.
    ["48 hours, twice a day", 48 * hour, 12 * hour, 19.2 * hour],
  ])("what falls due before the next run is due now: %s", (_, lifetime, every, after) => {
    expect(dueAt(lifetime, every)).toEqual(at(after));
  });

  test("a certificate is due now if the time chosen in the CA's window is near (RFC 9773 section 4.2)", () => {
    expect(dueAt(90 * day, 12 * hour, chosen(at(50 * day)))).toEqual(at(49.5 * day));
    expect(dueAt(90 * day, 12 * hour, chosen(at(2 * day)))).toEqual(at(2 * day));
  });

  test("the reason says that a certificate is due before the next run", () => {
    const due = dueOf(certificate(90 * day), at(59.75 * day), 12 * hour);
    expect(due.reason).toBe("a third of its lifetime is left (before the next run, in 12 hours)");
    expect(dueOf(certificate(90 * day), at(59 * day), 12 * hour).reason).toBe(
      "a third of its lifetime is left",
    );
    expect(dueOf(certificate(90 * day), at(60 * day), 12 * hour).reason).toBe(
      "a third of its lifetime is left",
    );
  });
});

describe("a certificate that was just issued is not due", () => {
  const isDue = (one: StoredCertificate, after: number, every = 0) =>
    dueOf(one, at(after), every).at <= at(after);

  test.each([
    ["the CA's window is open", chosen(at(-1))],
    ["the CA's window is in the past", chosen(at(-30 * day))],
  ])("a certificate that was just issued is not due for an hour, although %s", (_, status) => {
    const one = certificate(90 * day, status);
    expect(isDue(one, 0)).toBe(false);
    expect(isDue(one, hour - 1, 12 * hour)).toBe(false);
    expect(isDue(one, hour)).toBe(true);
  });

  test("a certificate that was just issued is not due even if it has expired", () => {
    expect(isDue(certificate(0), 0)).toBe(false);
    expect(isDue(certificate(-day), 59_000)).toBe(false);
    expect(isDue(certificate(-day), 60_000)).toBe(true);
  });

  test("a certificate that was just issued is not due even if the schedule is rarer than its lifetime", () => {
    expect(isDue(certificate(12 * hour), hour / 2, day)).toBe(false);
    expect(isDue(certificate(12 * hour), hour, day)).toBe(true);
  });

  test("a certificate is not due for three days if its predecessor was replaced early as well", () => {
    const status = { ...chosen(at(-1)), previousSuccess: at(-hour).toISOString() };
    expect(isDue(certificate(90 * day, status), 2.9 * day)).toBe(false);
    expect(isDue(certificate(90 * day, status), 3 * day)).toBe(true);
    expect(isDue(certificate(day, status), 9.5 * hour)).toBe(false);
    expect(isDue(certificate(day, status), 10 * hour)).toBe(true);
  });

  test("a certificate that seems to be issued in the future does not rest", () => {
    expect(isDue(certificate(90 * day, chosen(at(-30 * day))), -day)).toBe(true);
  });
});

describe("a changed request", () => {
  test.each([
    [
      "names",
      { identifiers: [...request.identifiers, { type: "dns", value: "www.example.com" }] },
      "names changed from example.com to example.com, www.example.com",
    ],
    [
      "issuer",
      { issuer: { server: "https://other.example/", agreeTos: true } },
      "issuer changed from https://ca.example/directory to https://other.example/",
    ],
    ["profile", { profile: "shortlived" }, "profile changed from none to shortlived"],
    [
      "chain",
      { preferredChain: "ISRG Root X2" },
      "preferred chain changed from none to ISRG Root X2",
    ],
    ["CSR", { csr: "MIIB" }, "key type changed from ec256 to csr"],
  ] satisfies [string, Partial<CertificateRequest>, string][])(
    "a request with another %s is due",
    (_, change, told) => {
      expect(dueOf(certificate(90 * day, {}, { ...request, ...change }), issued).reason).toBe(told);
    },
  );

  test("other solvers, hooks, labels or another order of names do not make a certificate due", () => {
    const change = {
      solvers: [{ name: "cf", use: "cloudflare", options: {} }],
      labels: { team: "shop" },
    };
    expect(dueOf(certificate(90 * day, {}, { ...request, ...change }), issued).rule).toBe(
      "lifetime",
    );
  });
});

describe("a frozen certificate", () => {
  const until = at(70 * day);
  const freeze = [{ start: "0 0 30 4 *", duration: 10 * day, timeZone: "UTC" }];
  const frozen = { ...request, freeze };

  test("a certificate that falls due in a freeze window is due at the end of the window", () => {
    const due = dueOf(certificate(90 * day, {}, frozen), at(61 * day));
    expect(due).toMatchObject({ rule: "lifetime", at: until });
    expect(due.reason).toBe("a third of its lifetime is left; frozen until then");
    expect(dueOf(certificate(90 * day, {}, frozen), until).at).toEqual(at(60 * day));
  });

  test("a certificate that falls due later, in a freeze window, is shown with the end of the window", () => {
    for (const now of [at(30 * day), at(59 * day)])
      expect(dueOf(certificate(90 * day, {}, frozen), now)).toMatchObject({ at: until });
  });

  test("a freeze goes on while another window is open at the end of one", () => {
    const two = [...freeze, { start: "0 0 8 5 *", duration: 6 * day, timeZone: "UTC" }];
    const one = certificate(90 * day, {}, { ...request, freeze: two });
    expect(dueOf(one, at(61 * day))).toMatchObject({ at: at(74 * day) });
  });

  test("a freeze ends when a twentieth of the lifetime is left", () => {
    const one = certificate(65 * day, chosen(at(20 * day)), frozen);
    const last = at(65 * day * 0.95);
    expect(dueOf(one, at(61 * day)).at).toEqual(last);
    expect(dueOf(one, last).at <= last).toBe(true);
  });

  test("a freeze does not hold for an early renewal that the CA explains", () => {
    const status = chosen(at(60 * day));
    const explanationUrl = "https://ca.example/incident";
    const window = { start: "", end: "", ...status.ari?.window, selected: at(0).toISOString() };
    const ari = { certificateId: ariId, nextCheck: "", window: { ...window, explanationUrl } };
    const now = at(61 * day);
    expect(dueOf(certificate(90 * day, { ari }, frozen), now).at <= now).toBe(true);
    const silent = { ...ari, window };
    expect(dueOf(certificate(90 * day, { ari: silent }, frozen), now).at).toEqual(until);
  });
});

describe("a certificate that is due waits", () => {
  const now = at(60 * day);
  const failed = requestHash(request);
  const other = { ...request, keyType: "ec384" } as const;
  const until = at(60 * day + hour);
  const pause = (
    status: Partial<CertificateStatus>,
    { force = false, wanted = request }: { force?: boolean; wanted?: CertificateRequest } = {},
  ) =>
    pauseOf(
      certificate(90 * day, { failures: 1, failedRequest: failed, ...status }, wanted),
      now,
      force,
    )?.reason;
  const later = { retryAt: until.toISOString() };
  const over = { retryAt: now.toISOString() };

  test("a certificate that is due does not wait without a failure, or after the back-off", () => {
    expect(pause({})).toBeUndefined();
    expect(pause({ ...later, failures: 0 })).toBeUndefined();
    expect(pause({ ...over, retryReason: "backoff" })).toBeUndefined();
    expect(pause({ ...over, retryReason: "ca" })).toBeUndefined();
  });

  test("a certificate waits until the end of the back-off, which --force and another request clear", () => {
    expect(
      pauseOf(certificate(90 * day, { failures: 1, failedRequest: failed, ...later }), now, false),
    ).toEqual({
      until,
      reason: "backoff",
    });
    expect(pause({ ...later, retryReason: "backoff" })).toBe("backoff");
    expect(pause({ ...later, retryReason: "backoff" }, { force: true })).toBeUndefined();
    expect(pause({ ...later, retryReason: "backoff" }, { wanted: other })).toBeUndefined();
  });

  test("a certificate waits no longer than an eighth of its lifetime", () => {
    const one = certificate(16 * hour, {
      failures: 4,
      failedRequest: failed,
      lastAttempt: { startedAt: at(8 * hour).toISOString(), events: [] },
      retryAt: at(32 * hour).toISOString(),
      retryReason: "backoff",
    });
    expect(pauseOf(one, at(9 * hour), false)?.until).toEqual(at(10 * hour));
    expect(pauseOf(one, at(10 * hour), false)).toBeUndefined();
  });

  test("a certificate waits for as long as the CA says, even with --force", () => {
    for (const how of [{}, { force: true }, { wanted: other }])
      expect(pause({ ...later, retryReason: "ca" }, how)).toBe("ca");
  });

  test("a certificate whose renewal is off waits for --force, unless it was revoked or changed", () => {
    const off = { ...request, renew: false };
    const passed = { failures: 0 };
    expect(pause(passed, { wanted: off })).toBe("off");
    expect(pause(passed, { wanted: off, force: true })).toBeUndefined();
    expect(pause(passed, { wanted: { ...off, keyType: "ec384" } })).toBeUndefined();
    const revoked = { fingerprint: "ab", at: issued.toISOString(), reason: "superseded" };
    expect(pause({ ...passed, revoked }, { wanted: off })).toBeUndefined();
  });

  test("a certificate waits when the CA has issued four times for its names in a week, of use or not", () => {
    const names = namesHash(request.identifiers);
    const issuances = [1, 2, 3, 4].map((days) => {
      return {
        at: at((60 - days) * day).toISOString(),
        names,
        order: `https://ca.example/${days}`,
      };
    });
    const one = certificate(90 * day, { issuances });
    expect(pauseOf(one, now, false)).toEqual({ reason: "cap", until: at(63 * day) });
    expect(pauseOf(one, now, true)).toBeUndefined();
    expect(pauseOf(one, at(63 * day), false)).toBeUndefined();
    expect(pauseOf(certificate(90 * day, { issuances: issuances.slice(1) }), now, false)).toBe(
      undefined,
    );
    const others = issuances.map((other) => ({ ...other, names: namesHash([]) }));
    expect(pauseOf(certificate(90 * day, { issuances: others }), now, false)).toBeUndefined();
    // A certificate of a day is renewed more often.
    expect(pauseOf(certificate(day, { issuances }), now, false)).toBeUndefined();
  });

  test("a certificate waits until the time at which a run found that the cap leaves room again", () => {
    const noted = { ...later, failures: 0, retryReason: "cap" } as const;
    expect(pause(noted)).toBe("cap");
    expect(pause(noted, { force: true })).toBeUndefined();
    expect(pause(noted, { wanted: other })).toBeUndefined();
    expect(pause({ ...over, retryReason: "cap" })).toBeUndefined();
  });

  test("a certificate waits after a permanent refusal until it is forced or changed", () => {
    expect(pause({ ...over, retryReason: "permanent" })).toBe("permanent");
    expect(pause({ ...later, retryReason: "permanent" })).toBe("permanent");
    expect(pause({ ...later, retryReason: "permanent" }, { force: true })).toBeUndefined();
    expect(pause({ ...later, retryReason: "permanent" }, { wanted: other })).toBeUndefined();
  });
});
