import { describe, expect, test } from "vitest";
import {
  assertPublicNames,
  canonicalIdentifier,
  parseIdentifiers,
} from "../../src/acme/identifiers.ts";
import { Problem } from "../../src/problem.ts";

function complaint(...names: string[]): Problem {
  try {
    parseIdentifiers(names);
  } catch (error) {
    if (Problem.is(error)) return error;
    throw error;
  }
  throw new Error("accepted");
}

test.each([
  ["Example.COM", "dns", "example.com"],
  ["example.com.", "dns", "example.com"],
  ["  example.com ", "dns", "example.com"],
  ["*.Example.com", "dns", "*.example.com"],
  ["bücher.example", "dns", "xn--bcher-kva.example"],
  ["*.bücher.example", "dns", "*.xn--bcher-kva.example"],
  ["BÜCHER。example", "dns", "xn--bcher-kva.example"],
  ["XN--bcher-kva.example", "dns", "xn--bcher-kva.example"],
  ["shop.localhost", "dns", "shop.localhost"],
  ["nas.local", "dns", "nas.local"],
  ["*.home.lan", "dns", "*.home.lan"],
  ["xn--fa-hia.example", "dns", "xn--fa-hia.example"],
  ["1and1.com", "dns", "1and1.com"],
  ["192.0.2.1", "ip", "192.0.2.1"],
  ["2001:DB8:0:0::0001", "ip", "2001:db8::1"],
  ["[2001:db8::1]", "ip", "2001:db8::1"],
  ["2001:db8:0:1:1:1:1:1", "ip", "2001:db8:0:1:1:1:1:1"],
  ["a".repeat(63) + ".example.com", "dns", "a".repeat(63) + ".example.com"],
])("%s is the %s identifier %s", (text, type, value) => {
  expect(parseIdentifiers([text])).toEqual([{ type, value }]);
});

test("duplicates are removed however they are written, and the order stays", () => {
  const names = ["b.example.com", "B.example.com.", "a.example.com", "[::1]", "0:0::1"];
  expect(parseIdentifiers(names).map(({ value }) => value)).toEqual([
    "b.example.com",
    "a.example.com",
    "::1",
  ]);
});

describe("texts that are not names", () => {
  test.each([
    ["https://Example.com/", /it is a URL; use example\.com/],
    ["https://example.com:8443/path?x", /it is a URL; use example\.com/],
    ["example.com:443", /no port; use example\.com/],
    ["[2001:db8::1]:443", /no port; use 2001:db8::1/],
    ["example.com/path", /contains a path; use example\.com/],
    ["../../etc/passwd", /contains a path/],
    ["ops@example.com", /email address/],
    ["a.example.com b.example.com", /white space; separate names by commas/],
    ["a..example.com", /empty label/],
    [".example.com", /empty label/],
    [".", /only a dot/],
    ["", /it is empty/],
    ["a".repeat(64) + ".example.com", /longer than 63/],
    ["abc.".repeat(63) + "example", /longer than 253/],
    ["-a.example.com", /label "-a" begins or ends with a hyphen/],
    ["a-.example.com", /begins or ends with a hyphen/],
    ["a*.example.com", /whole left-most label/],
    ["a.*.example.com", /whole left-most label/],
    ["*", /whole left-most label/],
    ["*.*.example.com", /whole left-most label/],
    ["exa_mple.com", /underscore/],
    ["exa$(id).com", /the character "\$"/],
    ["a;b.com", /the character ";"/],
    ["a\u0000b.com", /the character "\\u0000"/],
    ["bücher.example?x=1", /the character "\?"/],
    ["bücher.example#x", /the character "#"/],
    ["bücher.example\\x", /the character/],
    ["ex%61mple.com", /the character "%"/],
    ["bü%2e.example", /the character "%"/],
    ["a\u200db.example", /not a valid internationalized name/],
    ["1.2.3", /neither an IPv4 address nor a DNS name/],
    ["256.1.1.1", /neither an IPv4 address/],
    ["１.２.３.４", /last label is a number/],
    ["10.0.0.0/8", /it is a network/],
    ["fe80::1%eth0", /not an IPv6 address/],
    ["2001:db8:::1", /not an IPv6 address/],
    ["example.123", /last label is a number/],
    ["xn--zz.example", /label "xn--zz" starts with xn-- but does not encode/],
    ["xn--.example", /"xn--"/],
    ["*.shop.XN--A.example", /"xn--a" starts with xn-- but does not/],
  ])("%j is refused as a name, with a remedy", (text, message) => {
    const problem = complaint(text);
    expect([problem.is("usage"), problem.exitCode]).toEqual([true, 2]);
    expect(problem.message).toMatch(message);
  });

  test("all bad names are listed at once, each with its reason, without control characters", () => {
    const problem = complaint("ok.example.com", "a..b", "x\u001b[31m.com", "-c.example");
    expect(problem.message.split("\n")).toHaveLength(3);
    expect(problem.message).not.toContain("\u001b");
  });

  test("an empty list of names is refused", () => {
    expect(complaint().message).toBe("No name was given.");
  });
});

test("an identifier from a CA is accepted only if its value fits its type", () => {
  expect(canonicalIdentifier({ type: "dns", value: "EXAMPLE.com" })?.value).toBe("example.com");
  expect(canonicalIdentifier({ type: "dns", value: "NAS" })?.value).toBe("nas");
  expect(canonicalIdentifier({ type: "dns", value: "192.0.2.1" })).toBeUndefined();
  expect(canonicalIdentifier({ type: "ip", value: "example.com" })).toBeUndefined();
  expect(canonicalIdentifier({ type: "dns", value: "a b" })).toBeUndefined();
});

test.each(["localhost", "nas.", "*.lan"])("%s is a name for private CAs only", (text) => {
  const identifiers = parseIdentifiers([text, "example.com", "192.0.2.1"]);
  expect(identifiers).toHaveLength(3);
  expect(() => assertPublicNames(identifiers)).toThrow(
    /single label, which a public CA cannot validate; use the full name/,
  );
  expect(() => assertPublicNames(identifiers.slice(1))).not.toThrow();
});
