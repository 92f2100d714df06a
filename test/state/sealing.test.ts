import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { openSealing } from "../../src/state/sealing.ts";

const what = { kind: "certificate key", name: "shop", version: 3 };
const [one, other] = [randomBytes(32).toString("base64"), randomBytes(32).toString("hex")];

test("a secret is encrypted anew each time, and opened as what it was", () => {
  const { seal, open } = openSealing([one]);
  const [first, second] = [seal("secret", what), seal("secret", what)];
  expect(first).not.toBe(second);
  expect(first).toMatch(/^acmectl1\.[0-9a-f]{16}\./);
  expect([first, second].map((sealed) => open(sealed, what))).toEqual(["secret", "secret"]);
});

test("a secret that was moved or changed is refused", () => {
  const { seal, open } = openSealing([one]);
  const sealed = seal("secret", what);
  for (const moved of [{ name: "blog" }, { version: 4 }, { kind: "account key" }])
    expect(() => open(sealed, { ...what, ...moved })).toThrow(/cannot be decrypted/);
  const last = sealed.endsWith("A") ? "B" : "A";
  expect(() => open(sealed.slice(0, -1) + last, what)).toThrow(/cannot be decrypted/);
  const parts = sealed.split(".");
  parts[3] = parts[3]?.slice(0, 8) ?? "";
  expect(() => open(parts.join("."), what)).toThrow(/cannot be decrypted/);
});

test("after a rotation the old key still opens, and the new one encrypts", () => {
  const sealed = openSealing([one]).seal("secret", what);
  const rotated = openSealing([other, one]);
  expect(rotated.open(sealed, what)).toBe("secret");
  expect(openSealing([other]).open(rotated.seal("secret", what), what)).toBe("secret");
  expect(() => openSealing([other]).open(sealed, what)).toThrow(
    /with the state key [0-9a-f]{16}, and it is not among the state keys/,
  );
});

test("without a key nothing is written in the clear unless that is allowed", () => {
  expect(() => openSealing([]).seal("secret", what)).toThrow(/no state key was given/);
  const plain = openSealing([], { plain: true });
  expect(plain.seal("secret", what)).toBe("secret");
  expect(plain.open("secret", what)).toBe("secret");
  expect(() => openSealing([one]).open("secret", what)).toThrow(/is not encrypted/);
  expect(openSealing([one], { plain: true }).open("secret", what)).toBe("secret");
});

test("a text that is not 32 bytes is not a state key, and is not shown", () => {
  for (const text of ["", "password", randomBytes(31).toString("base64")]) {
    expect(() => openSealing([text])).toThrow("The state key is not 32 bytes");
  }
});
