import { describe, expect, test } from "vitest";
import { Problem } from "../../src/problem.ts";
import type { KnownCertificate } from "../../src/status/certificates.ts";
import { statusPage } from "../../src/status/page/page.ts";
import { requestOf, newVersion } from "../state/material.ts";

const now = new Date("2026-02-01T00:00:00Z");
const { meta } = await newVersion("01");

function certificate(name: string, extra: Partial<KnownCertificate> = {}): KnownCertificate {
  return {
    name,
    request: { ...requestOf(name), identifiers: meta.identifiers },
    status: { failures: 0 },
    held: { version: 2, meta },
    ...extra,
  };
}

const hostile = `"><script>alert(1)</script><img src=x onerror=alert(2)>\u202Eevil\u001B[31m' & </pre>`;

describe("status --html", () => {
  test("shows what is due when, renewals per day, and hosts", () => {
    const since = "2026-01-03T00:00:00.000Z";
    const step = { step: "reload nginx", state: "failed", detail: "no nginx" } as const;
    const hosts = [
      { host: "web1", version: 2, since, serves: { version: 2, since }, steps: [] },
      { host: "web2", version: 2, since, serves: { version: 1, since }, steps: [step] },
    ];
    const page = statusPage(
      { certificates: [certificate("shop", { hosts })], broken: [] },
      "/var/lib/acmectl",
      now,
    );
    expect(page).toContain('<th scope="row">shop</th>');
    expect(page).toContain('<time datetime="2026-03-02">2026-03-02</time>');
    expect(page).toMatch(/<th scope="row">web1<\/th><td>shop<\/td><td>2 of 2<\/td>.*current/);
    expect(page).toMatch(/<th scope="row">web2<\/th>.*1 of 2.*a deploy step failed/);
    expect(page).toMatch(/reload nginx on web2<\/p>\s*<pre>no nginx<\/pre>/);
    expect(page).toMatch(/aria-label="34.4 % passed; due .*; expires /);
  });

  test("no text of a name, a CA or a host becomes markup", () => {
    const problem = { type: "x", title: hostile, detail: hostile, hint: hostile };
    const attempt = {
      startedAt: now.toISOString(),
      outcome: "failed",
      events: [],
      problem,
    } as const;
    const step = { step: hostile, state: "failed", detail: hostile } as const;
    const hosts = [{ host: hostile, version: 1, since: now.toISOString(), steps: [step] }];
    const one = certificate(hostile, { status: { failures: 1, lastAttempt: attempt }, hosts });
    one.request.identifiers = [{ type: "dns", value: hostile }];
    const broken = [{ name: hostile, problem: new Problem("machine", { detail: hostile }) }];
    const missing = { ...one, held: undefined };
    const page = statusPage({ certificates: [one, missing], broken }, hostile, now);
    expect(page).not.toMatch(/<script|<img|onerror=[^&]*>|\u202E/);
    expect(
      page.match(/<(\/?[a-z]\w*)/g)?.filter((tag) => /script|img|link|iframe/.test(tag)),
    ).toEqual([]);
    expect(page).not.toContain("\u001B");
    expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
    expect(page).not.toMatch(/<[a-z]+(\s[^<>]*)?\s(src|href|on[a-z]+)=/);
  });

  test("1000 certificates have one row each, and less than 1 MB in all", () => {
    const certificates = Array.from({ length: 1000 }, (_, index) => certificate(`shop${index}`));
    const page = statusPage({ certificates, broken: [] }, "/var/lib/acmectl", now);
    expect(page.match(/<tr>/g)).toHaveLength(1001);
    expect(page.length).toBeLessThan(1_000_000);
  });
});
