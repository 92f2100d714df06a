import { describe, expect, test } from "vitest";
import type { CertificateRequest, VersionMeta } from "../../src/certificate.ts";
import { requestHash } from "../../src/request/drift.ts";
import { dueOf, pauseOf } from "../../src/status/due.ts";
import type { CertificateStatus, StoredCertificate } from "../../src/state/store.ts";

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

describe("when a certificate is due", () => {
  test.each([
    ["90 days", 90 * day, 60 * day],
    ["45 days", 45 * day, 30 * day],
    ["10 days", 10 * day, (20 / 3) * day],
    ["6 days", 6 * day, 3 * day],
    ["an hour", hour, hour / 2],
  ])("of %s: by its lifetime alone", (_, lifetime, after) => {
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

  test("a window in the past is due at once", () => {
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

  test("the window of its predecessor is ignored, and so is an answer without a window", () => {
    const old = chosen(at(day), "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AA");
    expect(dueOf(certificate(90 * day, old), issued).rule).toBe("lifetime");
    const mute = { ari: { certificateId: ariId, nextCheck: at(day).toISOString() } };
    expect(dueOf(certificate(90 * day, mute), issued).rule).toBe("lifetime");
  });

  test("it is due at once when it is missing, expired or changed", () => {
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
    "is due because of its %s",
    (_, change, told) => {
      expect(dueOf(certificate(90 * day, {}, { ...request, ...change }), issued).reason).toBe(told);
    },
  );

  test("is not due because of solvers, hooks, labels or the order of names", () => {
    const change = {
      solvers: [{ name: "cf", use: "cloudflare", options: {} }],
      labels: { team: "shop" },
    };
    expect(dueOf(certificate(90 * day, {}, { ...request, ...change }), issued).rule).toBe(
      "lifetime",
    );
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

  test("not at all without a failure, or after the back-off", () => {
    expect(pause({})).toBeUndefined();
    expect(pause({ ...later, failures: 0 })).toBeUndefined();
    expect(pause({ ...over, retryReason: "backoff" })).toBeUndefined();
    expect(pause({ ...over, retryReason: "ca" })).toBeUndefined();
  });

  test("until the end of our own back-off, which --force and another request clear", () => {
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

  test("for as long as the CA says, even with --force", () => {
    for (const how of [{}, { force: true }, { wanted: other }])
      expect(pause({ ...later, retryReason: "ca" }, how)).toBe("ca");
  });

  test("after a permanent refusal until it is forced or changed", () => {
    expect(pause({ ...over, retryReason: "permanent" })).toBe("permanent");
    expect(pause({ ...later, retryReason: "permanent" })).toBe("permanent");
    expect(pause({ ...later, retryReason: "permanent" }, { force: true })).toBeUndefined();
    expect(pause({ ...later, retryReason: "permanent" }, { wanted: other })).toBeUndefined();
  });
});
