import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import type { CertificateRequest, VersionMeta } from "../../src/certificate.ts";
import { Problem } from "../../src/problem.ts";
import type { KnownCertificate } from "../../src/status/certificates.ts";
import { prometheusText } from "../../src/status/metrics.ts";
import { requestHash } from "../../src/request/drift.ts";

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** As strict as the text format 0.0.4 is: HELP and TYPE once and before the samples, families together, no series twice. */
function parse(text: string): readonly Sample[] {
  expect(text.endsWith("\n")).toBe(true);
  const samples: Sample[] = [];
  const families = new Set<string>();
  const seen = new Set<string>();
  let family = "";
  let helped = "";
  for (const line of text.slice(0, -1).split("\n")) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) (?:[^\\]|\\[\\n])+$/.exec(line);
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) gauge$/.exec(line);
    if (help !== null) {
      helped = help[1] ?? "";
      expect(families).not.toContain(helped);
      families.add(helped);
      continue;
    }
    if (type !== null) {
      family = type[1] ?? "";
      expect(family).toBe(helped);
      continue;
    }
    const match =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\[\\"n])*",?)*)\})? (-?\d+(?:\.\d+)?)$/.exec(
        line,
      );
    expect(match, line).not.toBeNull();
    const [, name = "", written = "", value = ""] = match ?? [];
    expect(name).toBe(family);
    expect(seen).not.toContain(`${name}{${written}}`);
    seen.add(`${name}{${written}}`);
    const labels = Object.fromEntries(
      [...written.matchAll(/([a-zA-Z0-9_]+)="((?:[^"\\]|\\[\\"n])*)"/g)].map(
        ([, label = "", text = ""]) => [
          label,
          text.replaceAll(/\\([\\"n])/g, (_, letter: string) => (letter === "n" ? "\n" : letter)),
        ],
      ),
    );
    samples.push({ name, labels, value: Number(value) });
  }
  return samples;
}

const request: CertificateRequest = {
  name: "shop",
  identifiers: [{ type: "dns", value: "shop.example.com" }],
  keyType: "ec256",
  reuseKey: false,
  issuer: { server: "https://ca.example/directory", agreeTos: true },
  solvers: [{ name: "standalone", use: "standalone", options: {} }],
  labels: {},
  outputs: {},
  hooks: {},
};
const meta: VersionMeta = {
  identifiers: request.identifiers,
  serial: "0a",
  fingerprint: "00",
  issuer: 'CN=a "quoted" \\ name\nof two lines',
  notBefore: "2026-01-01T00:00:00.000Z",
  notAfter: "2026-04-01T00:00:00.000Z",
  keyType: "ec256",
  directory: "https://ca.example/directory",
  account: "x",
  certificateUrl: "https://ca.example/cert/1",
  orderUrl: "https://ca.example/order/1",
  issuedAt: "2026-01-01T00:00:00.000Z",
  requestHash: requestHash(request),
};
const held: KnownCertificate = {
  name: "shop",
  request,
  held: { version: 1, meta },
  status: { failures: 0, lastSuccess: "2026-01-01T01:00:00.000Z" },
};
const missing: KnownCertificate = {
  name: "mail",
  request: { ...request, name: "mail" },
  status: {
    failures: 2,
    retryAt: "2026-02-01T00:10:00.000Z",
    failedRequest: requestHash(request),
    lastAttempt: { startedAt: "2026-02-01T00:00:00.500Z", events: [] },
  },
};
const now = new Date("2026-02-01T00:05:00.000Z");
const seconds = (text: string) => new Date(text).getTime() / 1000;

test("the number of certificates that the CA wants renewed now is a metric", () => {
  const window = {
    start: "2026-01-30T00:00:00.000Z",
    end: "2026-01-31T00:00:00.000Z",
    selected: "2026-01-30T12:00:00.000Z",
  };
  const ari = { certificateId: "a.b", nextCheck: "2026-02-01T06:00:00.000Z", window };
  const asked = {
    ...held,
    name: "asked",
    held: { version: 1, meta: { ...meta, ariId: "a.b" } },
    status: { ...held.status, ari },
  };
  const samples = parse(prometheusText({ certificates: [held, asked], broken: [] }, now));
  expect(samples.find(({ name }) => name === "acmectl_certificates_due_by_ari")?.value).toBe(1);
});

describe("the Prometheus text", () => {
  const samples = parse(prometheusText({ certificates: [held, missing], broken: [] }, now));
  const find = (name: string, labels: Record<string, string>) =>
    samples.filter(
      (sample) =>
        sample.name === `acmectl_certificate_${name}` &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );

  test("the metrics have expiry, due time, last success and failures of each certificate", () => {
    expect(find("not_after_timestamp_seconds", { name: "shop" })).toMatchObject([
      { value: seconds(meta.notAfter) },
    ]);
    expect(find("due_timestamp_seconds", { name: "shop" })).toMatchObject([
      { value: seconds("2026-03-02T00:00:00.000Z") },
    ]);
    expect(find("last_success_timestamp_seconds", {})).toMatchObject([
      { value: seconds("2026-01-01T01:00:00.000Z"), labels: { name: "shop" } },
    ]);
    expect(find("failures", {}).map(({ value }) => value)).toEqual([0, 2]);
    expect(find("retry_timestamp_seconds", {})).toMatchObject([
      { value: seconds("2026-02-01T00:10:00.000Z"), labels: { name: "mail" } },
    ]);
    expect(find("last_attempt_timestamp_seconds", { name: "mail" })).toMatchObject([
      { value: seconds("2026-02-01T00:00:00.000Z") + 0.5 },
    ]);
  });

  test("the metrics have conditions as 1 and 0, and no dates of a certificate that was never issued", () => {
    expect(find("condition", { name: "shop", condition: "Ready" })).toMatchObject([{ value: 1 }]);
    expect(find("condition", { name: "mail", condition: "Ready" })).toMatchObject([{ value: 0 }]);
    expect(find("condition", { name: "mail", condition: "BackingOff" })).toMatchObject([
      { value: 1 },
    ]);
    expect(find("not_after_timestamp_seconds", { name: "mail" })).toEqual([]);
    expect(find("due_timestamp_seconds", { name: "mail" })).toEqual([]);
    expect(samples[0]).toEqual({ name: "acmectl_certificates", labels: {}, value: 2 });
  });

  test("the metrics escape quotes, backslashes and line breaks in labels", () => {
    expect(find("info", { name: "shop" })[0]?.labels["issuer"]).toBe(meta.issuer);
  });

  test("the metrics count a broken certificate as not ready", () => {
    const broken = [{ name: "bad", problem: new Problem("machine", { detail: "not JSON" }) }];
    const told = parse(prometheusText({ certificates: [held], broken }, now));
    expect(told[0]).toMatchObject({ name: "acmectl_certificates", value: 2 });
    expect(told.filter(({ labels }) => labels["name"] === "bad")).toEqual([
      {
        name: "acmectl_certificate_condition",
        labels: { name: "bad", condition: "Ready" },
        value: 0,
      },
    ]);
  });

  test("the metrics have the time of the next ARI request as long as a run will make it", () => {
    const asked = (ariId: string, at: Date) => {
      const nextCheck = "2026-02-01T06:00:00.000Z";
      const one: KnownCertificate = {
        ...held,
        held: { version: 1, meta: { ...meta, ariId: "a.b" } },
        status: { failures: 0, ari: { certificateId: ariId, nextCheck } },
      };
      return parse(prometheusText({ certificates: [one], broken: [] }, at)).filter(
        (sample) => sample.name === "acmectl_certificate_ari_check_timestamp_seconds",
      );
    };
    expect(asked("a.b", now)).toMatchObject([{ value: seconds("2026-02-01T06:00:00.000Z") }]);
    expect(asked("of.another", now)).toEqual([]);
    expect(asked("a.b", new Date(meta.notAfter))).toEqual([]);
  });

  test("the metrics are exactly those that are documented", async () => {
    const file = new URL("../../docs/monitoring.md", import.meta.url);
    const rows = (await readFile(file, "utf8")).matchAll(/^\| `(acmectl_\w+)/gm);
    const text = prometheusText({ certificates: [held], broken: [] }, now);
    const families = text.matchAll(/^# TYPE (\w+)/gm);
    const names = (found: Iterable<RegExpExecArray>) => new Set([...found].map(([, name]) => name));
    expect(names(rows)).toEqual(names(families));
  });

  test("the metrics are well formed without certificates", () => {
    expect(parse(prometheusText({ certificates: [], broken: [] }, now))).toEqual([
      { name: "acmectl_certificates", labels: {}, value: 0 },
      { name: "acmectl_certificates_due_by_ari", labels: {}, value: 0 },
    ]);
  });
});
