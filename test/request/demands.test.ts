import { expect, test } from "vitest";
import type { CertificateRequest } from "../../src/certificate.ts";
import { parseIdentifiers } from "../../src/acme/identifiers.ts";
import { resolveServer } from "../../src/acme/presets.ts";
import { unmetDemands } from "../../src/request/demands.ts";

const request = (
  server: string,
  names: readonly string[],
  more: Partial<CertificateRequest> & { email?: string } = {},
): CertificateRequest => {
  const { email, ...rest } = more;
  return {
    name: "shop",
    identifiers: parseIdentifiers(names),
    keyType: "ec256",
    reuseKey: false,
    issuer: { server: resolveServer(server), agreeTos: true, email },
    solvers: [],
    labels: {},
    outputs: {},
    hooks: {},
    ...rest,
  };
};
const fresh = { isRegistered: false, hasBinding: false };
const found = (one: CertificateRequest, account = fresh) =>
  unmetDemands(one, account).map(({ message }) => message);

test("Google requires a contact and an external account binding, once", () => {
  expect(found(request("google", ["shop.example.com"]))).toEqual([
    "google requires a contact address for a new account.",
    "google requires an external account binding (EAB) for a new account.",
  ]);
  const given = request("google", ["shop.example.com"], { email: "ops@example.com" });
  expect(found(given, { isRegistered: false, hasBinding: true })).toEqual([]);
  const registered = { isRegistered: true, hasBinding: false };
  expect(found(request("google", ["shop.example.com"]), registered)).toEqual([]);
});

test("Let's Encrypt requires neither, takes 100 names, and 25 in its short profiles", () => {
  const names = (count: number) => Array.from({ length: count }, (_, n) => `n${n}.example.com`);
  expect(found(request("letsencrypt", names(100)))).toEqual([]);
  expect(found(request("letsencrypt", names(101)))[0]).toContain("at most 100 names");
  const short = { profile: "shortlived" };
  expect(found(request("letsencrypt", names(25), short))).toEqual([]);
  expect(found(request("letsencrypt", names(26), short))[0]).toContain("at most 25 names");
});

test("Let's Encrypt takes an IP address in the profile shortlived alone", () => {
  expect(found(request("letsencrypt", ["192.0.2.1"]))).toHaveLength(1);
  expect(found(request("letsencrypt", ["192.0.2.1"], { profile: "shortlived" }))).toEqual([]);
});

test.each(["10.1.2.3", "172.31.0.1", "127.0.0.1", "fd00::1", "::1"])(
  "a public CA does not issue for %s",
  (address) => {
    const short = { profile: "shortlived" };
    expect(found(request("letsencrypt", [address], short))).toEqual([
      `letsencrypt does not issue for private addresses such as ${address}.`,
    ]);
    expect(found(request("https://ca.lan/acme/directory", [address]))).toEqual([]);
  },
);

test.each(["shop.local", "shop.internal", "shop.test", "a.home.arpa"])(
  "a public CA does not issue for %s",
  (name) => {
    expect(found(request("letsencrypt", [name]))).toEqual([
      `letsencrypt does not issue for internal names such as ${name}.`,
    ]);
    expect(found(request("https://ca.lan/acme/directory", [name]))).toEqual([]);
  },
);
