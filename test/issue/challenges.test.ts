import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Authorization } from "../../src/acme/acme.ts";
import { computeChallenges, type Choice } from "../../src/issue/proof/challenges.ts";
import type { ChallengeType, Identifier } from "../../src/plugin.ts";
import { solverOf } from "./world.ts";

const thumbprint = "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI";
const token = "DGyRejmCefe7v4NfDGDKfA";
const keyAuthorization = `${token}.${thumbprint}`;
const sha256 = (encoding: "hex" | "base64url") =>
  createHash("sha256").update(keyAuthorization).digest(encoding);
const dns = (value: string): Identifier => ({ type: "dns", value });

const offering = (
  identifier: Identifier,
  types: readonly string[],
  more: Partial<Authorization> = {},
): Authorization => ({
  url: `https://ca.example/authz/${identifier.value}`,
  status: "pending",
  identifier,
  wildcard: false,
  challenges: types.map((type) => ({
    url: `https://ca.example/challenge/${type}`,
    type,
    status: "pending",
    token,
  })),
  ...more,
});

/** A name that is answered by solvers of these types, best first. */
const assigned = (ordered: Identifier, ...types: readonly ChallengeType[]): readonly Choice[] => {
  const identifier = { ...ordered, value: ordered.value.replace("*.", "") };
  const wildcard = identifier.value !== ordered.value;
  return types.map((challengeType) => ({
    identifier: ordered,
    challengeTypes: [challengeType],
    solver: solverOf(`by ${challengeType}`),
    target:
      challengeType === "dns-01"
        ? {
            identifier,
            wildcard,
            validationName: `_acme-challenge.${identifier.value}`,
            recordName: "shop.acme.example.net",
          }
        : { identifier, wildcard },
  }));
};

describe("choosing challenges", () => {
  test("each challenge type gets the response that its RFC asks for (RFC 8555 §8.3, §8.4, RFC 8737)", () => {
    const name = dns("www.example.com");
    const types: readonly ChallengeType[] = ["tls-alpn-01", "dns-01", "http-01"];
    const pending = computeChallenges([offering(name, types)], assigned(name, ...types), {
      thumbprint,
    });
    const shared = { identifier: name, wildcard: false, token, keyAuthorization };
    expect(pending.map(({ challenge }) => challenge)).toEqual([
      { ...shared, type: "tls-alpn-01", serverName: name.value, digest: sha256("hex") },
      {
        ...shared,
        type: "dns-01",
        validationName: "_acme-challenge.www.example.com",
        recordName: "shop.acme.example.net",
        recordValue: sha256("base64url"),
      },
      {
        ...shared,
        type: "http-01",
        path: `/.well-known/acme-challenge/${token}`,
        body: keyAuthorization,
      },
    ]);
    expect(pending.map(({ place }) => place)).toEqual([
      "www.example.com:443",
      "shop.acme.example.net",
      `http://www.example.com/.well-known/acme-challenge/${token}`,
    ]);
  });

  test("asks nothing for a name that was proven before", () => {
    const name = dns("www.example.com");
    const valid = offering(name, ["http-01"], { status: "valid" });
    expect(computeChallenges([valid], assigned(name, "http-01"), { thumbprint })).toEqual([]);
  });

  test("a wildcard and its base name keep challenges of their own, though the CA calls both by one name", () => {
    const [base, wild] = [dns("example.com"), dns("*.example.com")];
    const pending = computeChallenges(
      [offering(base, ["http-01", "dns-01"], { wildcard: true }), offering(base, ["http-01"])],
      [...assigned(base, "http-01"), ...assigned(wild, "dns-01")],
      { thumbprint },
    );
    expect(pending).toMatchObject([
      { identifier: wild, challenge: { type: "dns-01" } },
      { identifier: base, challenge: { type: "http-01" } },
    ]);
  });

  test("challenges that the CA does not offer, or offers without a token, are left out", () => {
    const name = dns("www.example.com");
    const offer = offering(name, ["http-01"]);
    const mute = {
      url: "https://ca.example/challenge/dns",
      type: "dns-01",
      status: "pending",
    } as const;
    const pending = computeChallenges(
      [{ ...offer, challenges: [mute, ...offer.challenges] }],
      assigned(name, "tls-alpn-01", "dns-01", "http-01"),
      { thumbprint },
    );
    expect(pending.map(({ challenge }) => challenge.type)).toEqual(["http-01"]);
  });

  test("one solver answers the first of its types that the CA offers", () => {
    const name = dns("www.example.com");
    const [choice] = assigned(name, "dns-01");
    const choices = choice && [
      { ...choice, challengeTypes: ["dns-01", "tls-alpn-01", "http-01"] as const },
    ];
    const typesOf = (offered: readonly ChallengeType[]) =>
      computeChallenges([offering(name, offered)], choices ?? [], { thumbprint }).map(
        ({ challenge }) => challenge.type,
      );
    expect(typesOf(["http-01", "tls-alpn-01", "dns-01"])).toEqual(["dns-01"]);
    expect(typesOf(["http-01", "tls-alpn-01"])).toEqual(["tls-alpn-01"]);
  });

  test("a solver that can answer an offered type if asked is named in the hint", () => {
    const name = dns("www.example.com");
    const solver = solverOf("script", { types: ["dns-01", "http-01"] });
    const choices = assigned(name, "dns-01").map((choice) => ({ ...choice, solver }));
    const hint = () => computeChallenges([offering(name, ["http-01"])], choices, { thumbprint });
    expect(hint).toThrow(
      expect.objectContaining({
        hint: "Add --challenge http-01: the solver script can answer it.",
      }),
    );
  });

  test("a name without a common challenge type names what the CA offers and what the solvers answer", () => {
    const name = dns("www.example.com");
    const choose = () =>
      computeChallenges(
        [offering(name, ["dns-account-01", "tls-alpn-01"])],
        assigned(name, "http-01", "dns-01"),
        { thumbprint },
      );
    expect(choose).toThrow(
      "The CA offers dns-account-01, tls-alpn-01 for www.example.com; the chosen solvers answer http-01 or dns-01.",
    );
  });

  test.each([
    ["no challenge", [], "The CA offers no challenge for www.example.com"],
    ["one that needs a solver", ["http-01"], "no solver was chosen for it"],
  ])("says so where the CA offers %s and no solver was chosen", (_, types, text) => {
    const name = dns("www.example.com");
    expect(() => computeChallenges([offering(name, types)], [], { thumbprint })).toThrow(text);
  });

  test("an authorization of a resumed order that has ended is a Problem", () => {
    const name = dns("example.com");
    const ended = offering(name, ["dns-01"], { status: "expired", wildcard: true });
    expect(() => computeChallenges([ended], [], { thumbprint })).toThrow(
      "The authorization of *.example.com is already expired.",
    );
  });

  test("the URL of a challenge has an IPv6 address in brackets", () => {
    const address: Identifier = { type: "ip", value: "2001:db8::1" };
    const pending = computeChallenges(
      [offering(address, ["http-01", "tls-alpn-01"])],
      assigned(address, "http-01", "tls-alpn-01"),
      { thumbprint },
    );
    expect(pending.map(({ place }) => place)).toEqual([
      `http://[2001:db8::1]/.well-known/acme-challenge/${token}`,
      "[2001:db8::1]:443",
    ]);
  });
});
