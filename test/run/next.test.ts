import { describe, expect, test } from "vitest";
import { isUndone, nextLook } from "../../src/run/next.ts";
import type { KnownCertificate } from "../../src/status/certificates.ts";
import { requestHash } from "../../src/request/drift.ts";
import { requestFor } from "../issue/world.ts";
import type { VersionMeta } from "../../src/certificate.ts";

const minute = 60_000;
const hour = 60 * minute;
const now = new Date("2026-03-01T12:00:00Z");
const at = (milliseconds: number) => new Date(now.getTime() + milliseconds);
const request = { ...requestFor(["shop.example.com"]), name: "shop" };

/** A certificate of three hours, issued so many minutes ago: it is due when half of them have passed. */
function heldFor(age: number, more: Partial<KnownCertificate> = {}): KnownCertificate {
  const [notBefore, notAfter] = [at(-age * minute), at(3 * hour - age * minute)];
  const meta = {
    directory: request.issuer.server,
    identifiers: request.identifiers,
    keyType: request.keyType,
    requestHash: requestHash(request),
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    issuedAt: notBefore.toISOString(),
    fingerprint: "f",
  } as unknown as VersionMeta;
  return { name: "shop", request, status: { failures: 0 }, held: { version: 1, meta }, ...more };
}

describe("the next look of the service", () => {
  test("is when the first certificate is due", () => {
    const later = { ...heldFor(45), name: "later" };
    expect(nextLook([later, heldFor(60)], 0, now)).toEqual({ at: at(30 * minute), name: "shop" });
    expect(isUndone([later, heldFor(60)], now)).toBe(false);
  });

  test("is an hour away at most, and without any certificate", () => {
    expect(nextLook([heldFor(5)], 0, now)).toEqual({ at: at(hour) });
    expect(nextLook([], 0, now)).toEqual({ at: at(hour) });
  });

  test("comes later each time if what is due is not done: 1, 10, 60 minutes", () => {
    const due = [heldFor(100)];
    expect(isUndone(due, now)).toBe(true);
    const waits = [0, 1, 2, 3].map((fruitless) => nextLook(due, fruitless, now).at);
    expect(waits).toEqual([minute, 10 * minute, hour, hour].map(at));
  });

  test("is the end of a back-off", () => {
    const status = {
      failures: 1,
      retryAt: at(7 * minute).toISOString(),
      retryReason: "backoff",
      failedRequest: requestHash(request),
      lastAttempt: { startedAt: now.toISOString(), events: [] },
    } as unknown as KnownCertificate["status"];
    expect(nextLook([heldFor(100, { status })], 0, now)).toEqual({
      at: at(7 * minute),
      name: "shop",
    });
  });

  test("is the time at which the CA may be asked for renewal information again", () => {
    const one = heldFor(5);
    const meta = { ...one.held?.meta, ariId: "aki.serial" } as VersionMeta;
    const ari = { certificateId: "aki.serial", nextCheck: at(20 * minute).toISOString() };
    const asked = { ...one, held: { version: 1, meta }, status: { failures: 0, ari } };
    expect(nextLook([asked], 0, now)).toEqual({ at: at(20 * minute), name: "shop" });
  });
});
